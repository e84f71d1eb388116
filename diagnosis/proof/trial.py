"""The runs that prove something: what is changed in each, and what came of it."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any

from diagnosis.report import Change, Diagnosis, Patch

Spec = Mapping[str, Any]
# The whole spec that a patch makes of the run's own; None where that could not be trained.
Variants = Callable[[Patch], Spec | None]
BASELINE = "baseline"


@dataclass(frozen=True)
class Trial:
    """Runs of one spec, one for each seed; of the run's own spec where there are no `changes`.

    `code` is unique within a proof. `repairs` are the codes of the causes that this must repair,
    `rival_of` those that it must not. `epochs` are those of each of its runs.
    """

    code: str
    title: str
    changes: Sequence[Change]
    epochs: int
    repairs: Sequence[str] = ()
    rival_of: Sequence[str] = ()

    @property
    def patch(self) -> Patch:
        """Of the run's own spec: its changes, one after the other."""
        return joined(self.changes)

    @property
    def mask(self) -> bool:
        """Whether one of its changes may hide the cause instead of removing it."""
        return any(change.mask for change in self.changes)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Outcome:
    """What came of one run. `value` is its test accuracy, or R2; None where that is no number.

    `ran` tells whether it came to its end; `diagnosis` is its own, where there is one.
    """

    trial: str
    seed: int
    ran: bool
    value: float | None = None
    diagnosis: Diagnosis | None = None


class Collected:
    """Trials of which no two have the same spec, nor that of the run itself, nor of one `tried`."""

    def __init__(self, variants: Variants, tried: Iterable[Trial] = ()) -> None:
        self.trials: list[Trial] = []
        self._variants = variants
        self._changes: dict[str, Patch] = {BASELINE: ()}
        self._by_spec: dict[str, int | None] = {}
        for trial in tried:
            self._changes |= {change.code: change.patch for change in trial.changes}
            self._by_spec[_key(variants(trial.patch))] = None
        self._by_spec[_key(variants(()))] = None

    def add(
        self, changes: Sequence[Change], repairs: str = "", rival_of: str = "", *, new: bool = True
    ) -> None:
        """Take `changes` on, unless they cannot be trained; `repairs` and `rival_of` name a cause.

        Where their spec is here already, it speaks to that cause as well; otherwise nothing is
        taken on that is not to be `new`.
        """
        spec = self._variants(joined(changes))
        key = _key(spec)
        if new and spec is not None and key not in self._by_spec:
            named = [self._named(change) for change in changes]
            self._by_spec[key] = len(self.trials)
            self.trials.append(
                Trial(
                    "+".join(change.code for change in named),
                    " and ".join(change.title for change in named),
                    named,
                    int(spec["training"]["epochs"]),
                )
            )
        place = self._by_spec.get(key)
        if place is not None:
            known = self.trials[place]
            self.trials[place] = replace(
                known,
                repairs=_with(known.repairs, repairs),
                rival_of=_with(known.rival_of, rival_of),
            )

    def _named(self, change: Change) -> Change:
        """With a code of its own, where another change has it already."""
        code, number = change.code, 1
        while self._changes.setdefault(code, change.patch) != change.patch:
            number += 1
            code = f"{change.code}-{number}"
        return replace(change, code=code)


def joined(changes: Iterable[Change]) -> Patch:
    """One patch that makes all the changes, one after the other."""
    return list(chain.from_iterable(change.patch for change in changes))


def _with(codes: Sequence[str], code: str) -> Sequence[str]:
    return list(dict.fromkeys([*codes, code])) if code else codes


def _key(spec: Spec | None) -> str:
    return json.dumps(spec, sort_keys=True)
