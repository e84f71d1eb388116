"""What a diagnosis says: a verdict, causes with their evidence, and what would prove them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["healthy", "unhealthy", "undetermined"]
Patch = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Change:
    """A change of the experiment: `patch` is an RFC 6902 patch of the spec with all its defaults.

    `code` is stable, for programs; `title` says in words what is changed. `mask` says that it
    may hide the cause instead of removing it (another optimizer, clipping, batch normalisation).
    """

    code: str
    title: str
    patch: Patch
    mask: bool = False


@dataclass(frozen=True)
class Cause:
    """Why a run failed. `evidence` are sentences with the numbers that decide for it.

    `repairs` come with the likeliest first; each alone should make the run learn if this is the
    cause. `rivals` are what must not, or the cause is another. `score` ranks causes, from 0 to 1;
    it is no probability. `numbers` are those of the evidence, for programs.
    """

    code: str
    title: str
    score: float
    evidence: Sequence[str]
    numbers: Mapping[str, float | None]
    repairs: Sequence[Change] = ()
    rivals: Sequence[Change] = ()


@dataclass(frozen=True)
class Finding:
    """What the spec and the dataset's facts show before training; it never blocks.

    `pointer` is a JSON pointer to the field. `level` is error where the run cannot learn as it
    should, warning where it may not.
    """

    code: str
    level: Literal["warning", "error"]
    pointer: str
    detail: str
    repairs: Sequence[Change] = ()


@dataclass(frozen=True)
class Diagnosis:
    """`causes` are ranked. `remarks` are worth knowing and no fault: a loss that still falls."""

    verdict: Verdict
    headline: str
    causes: Sequence[Cause] = ()
    remarks: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON, but for numbers that JSON does not have."""
        return asdict(self)
