"""What a promise came to, and the table of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from tests.chaos.judge import Findings


@dataclass
class Outcome:
    """Counts of one run; `slowest` is the longest recovery in seconds, None where there is none.

    `measured` is what else there is to tell, in words.
    """

    faults: int
    lost: int = 0
    duplicated: int = 0
    recovered: int = 0
    slowest: float | None = None
    wrong: list[str] = field(default_factory=list)
    skipped: str | None = None
    measured: str = ""

    @property
    def holds(self) -> bool:
        return self.lost == self.duplicated == 0 and not self.wrong

    @property
    def word(self) -> str:
        return self.skipped or ("held" if self.holds else "broken")

    def found(self, findings: Findings) -> Self:
        """Add what the checker found."""
        self.lost += findings.lost
        self.duplicated += findings.duplicated
        self.wrong += findings.wrong
        return self

    def recovering(self, seconds: Sequence[float], of: int, limit: float) -> Self:
        """Add recoveries: there must be `of` of them, each within `limit` seconds."""
        self.recovered += len(seconds)
        self.slowest = max([*seconds, self.slowest or 0.0])
        if len(seconds) < of:
            self.wrong.append(f"{of - len(seconds)} of {of} faults were not recovered from")
        if self.slowest > limit:
            self.wrong.append(f"a recovery took {self.slowest:.1f} s, expected {limit:g} at most")
        return self


def table(outcomes: Iterable[tuple[str, Outcome]]) -> str:
    """In Markdown, as docs/operations.md has it."""
    lines = [
        "| promise | faults | lost | duplicated | recovered | slowest, s | |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    for name, o in outcomes:
        slowest = "" if o.slowest is None else f"{o.slowest:.1f}"
        words = ": ".join(filter(None, [o.word, o.measured]))
        cells = [name, f"{o.faults:,}", o.lost, o.duplicated, o.recovered, slowest, words]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)
