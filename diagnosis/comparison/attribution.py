"""Which of several differences explains a gap between two runs, from the runs between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import Literal

from diagnosis.proof.trial import Collected, Trial, Variants
from diagnosis.report import Change

MOST = 10
# Up to this many fields the runs from both ends are all that there are, or fit.
_BOTH_ENDS = 5

Method = Literal["shapley", "both_ends", "one_end"]


@dataclass(frozen=True)
class Part:
    """What one field has to do with a gap; None where no run tells.

    `alone` is what it changes in the first run, `last` what the second lacks without it. `share` is
    its part of the gap.
    """

    alone: float | None
    last: float | None
    share: float | None


@dataclass(frozen=True)
class Attribution:
    """How a gap between two runs is made up. `adds_up` says that what the fields change alone sums
    to it, within the noise; else they act together, or one of them is enough without the others.

    The shares are by `method`: `shapley` where every mixture of the fields was run (Shapley 1953:
    the mean over all orders; they always sum to the gap), `both_ends` the mean of `alone` and
    `last`, `one_end` what there is of these.
    """

    gap: float
    parts: Mapping[str, Part]
    adds_up: bool
    method: Method


def hybrids(changes: Sequence[Change], variants: Variants) -> list[Trial]:
    """The first run with one field of the second in turn; for a few fields the other way too.

    `changes` are the fields, in an order in which any of them can be made one after the other.
    """
    found = Collected(variants)
    for change in changes[:MOST]:
        found.add([change])
    if len(changes) <= _BOTH_ENDS:
        for rest in combinations(changes, len(changes) - 1):
            found.add(rest)
    # A spec of all fields is that of the second run, which is there already.
    return [trial for trial in found.trials if len(trial.changes) < len(changes)][:MOST]


def attribute(
    fields: Sequence[str], values: Mapping[frozenset[str], float], noise: float
) -> Attribution:
    """`values` are results by the fields in which a run has the second's value.

    That of none of `fields` and that of all must be there.
    """
    whole = frozenset(fields)
    gap = values[whole] - values[frozenset()]
    every = len(fields) <= _BOTH_ENDS and len(values) >= 2 ** len(fields)
    parts = {field: _part(field, whole, values, every=every) for field in fields}
    alone = [part.alone for part in parts.values() if part.alone is not None]
    ends = all(part.alone is not None and part.last is not None for part in parts.values())
    return Attribution(
        gap=gap,
        parts=parts,
        adds_up=len(alone) == len(fields) and abs(gap - sum(alone)) <= noise,
        method="shapley" if every else "both_ends" if ends else "one_end",
    )


def _part(
    field: str, whole: frozenset[str], values: Mapping[frozenset[str], float], *, every: bool
) -> Part:
    alone = _change(values, frozenset(), frozenset([field]))
    last = _change(values, whole - {field}, whole)
    ends = [each for each in (alone, last) if each is not None]
    mean = sum(ends) / len(ends) if ends else None
    return Part(alone, last, _shapley(field, whole, values) if every else mean)


def _change(
    values: Mapping[frozenset[str], float], before: frozenset[str], after: frozenset[str]
) -> float | None:
    return values[after] - values[before] if before in values and after in values else None


def _shapley(field: str, whole: frozenset[str], values: Mapping[frozenset[str], float]) -> float:
    others, total = sorted(whole - {field}), len(whole)
    share = 0.0
    for size in range(total):
        weight = factorial(size) * factorial(total - size - 1) / factorial(total)
        for chosen in combinations(others, size):
            before = frozenset(chosen)
            share += weight * (values[before | {field}] - values[before])
    return share
