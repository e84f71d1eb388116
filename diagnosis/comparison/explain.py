"""Which difference of two runs explains that one did better: what can be said, and how surely."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from diagnosis.comparison.attribution import Attribution, attribute
from diagnosis.differences import Difference, overlap
from diagnosis.proof.trial import Outcome, Trial
from diagnosis.proof.wording import shown
from diagnosis.proof.yardstick import Yardstick
from diagnosis.report import Diagnosis

Certainty = Literal["decided", "likely", "undecided", "no_difference"]
# A field outweighs the others that makes up more than this share of a gap, and closes it alone
# from this one on.
_MOST_OF_IT = 0.6
_CLOSES = 0.75


@dataclass(frozen=True)
class Explanation:
    """`fields` are JSON pointers, the weightiest first; `detail` is a sentence for people."""

    certainty: Certainty
    fields: Sequence[str]
    detail: str
    attribution: Attribution | None = None


@dataclass(frozen=True)
class Side:
    """One of the two runs: its result (None where it gave none), and its diagnosis."""

    value: float | None
    diagnosis: Diagnosis | None


def explain(
    sides: tuple[Side, Side], found: Sequence[Difference], measure: Yardstick
) -> Explanation:
    """By the specs, the results and the diagnoses alone."""
    first, second = sides
    fields = [difference.pointer for difference in found if difference.decides]
    [a], [b] = measure.scores([first.value]), measure.scores([second.value])
    results = f"{shown(first.value, measure.metric)} and {shown(second.value, measure.metric)}"
    if abs(b - a) <= measure.noise([a], [b]):
        return Explanation("no_difference", [], f"{results} differ by no more than the noise.")
    if not fields:
        detail = f"{results}, from the same data, model and training: chance, or the machines."
        return Explanation("undecided", [], detail)
    if len(fields) == 1:
        return Explanation("decided", fields, f"{results}: nothing but {fields[0]} differs.")
    worse = first if a < b else second
    named = _named_by(worse.diagnosis, fields)
    if named:
        detail = f"{results}: the diagnosis of the worse run asks for another {named[0]}."
        return Explanation("likely", named, detail)
    detail = f"{results}: {len(fields)} fields differ; POST the same to train what lies between."
    return Explanation("undecided", fields, detail)


def explain_by_runs(
    sides: tuple[Side, Side],
    trials: Sequence[Trial],
    outcomes: Sequence[Outcome],
    fields: Sequence[str],
    measure: Yardstick,
) -> Explanation:
    """By the results of the runs between the two."""
    [a], [b] = (measure.scores([side.value]) for side in sides)
    noise = measure.noise([a], [b])
    found = attribute(fields, _values(a, b, trials, outcomes, fields, measure), noise)
    if abs(b - a) <= noise:
        detail = "The two differ by no more than the noise."
        return Explanation("no_difference", [], detail, found)
    certainty, named = _weighed(found)
    return Explanation(certainty, named, _told(found, measure), found)


def _weighed(found: Attribution) -> tuple[Certainty, list[str]]:
    """Fields that close the gap alone decide; else the weightiest is likely, if one outweighs."""
    closing = _closing(found)
    if closing:
        return "decided", closing
    ranked = _ranked(found)
    heavy = [f for f in ranked if (found.parts[f].share or 0.0) / found.gap > _MOST_OF_IT]
    return ("likely", heavy) if heavy else ("undecided", ranked)


def _closing(found: Attribution) -> list[str]:
    """The fields that close the gap alone, by far the most of it."""
    return [f for f in _ranked(found) if (found.parts[f].alone or 0.0) / found.gap >= _CLOSES]


def _ranked(found: Attribution) -> list[str]:
    """The fields of which there is a share, the weightiest first."""
    known = {field: part.share for field, part in found.parts.items() if part.share is not None}
    return sorted(known, key=lambda field: -known[field] / found.gap)


def _told(found: Attribution, measure: Yardstick) -> str:
    shares = [f"{f} {_points(found.parts[f].share, measure)}" for f in _ranked(found)]
    if not shares:
        return "No run between the two came to its end."
    detail = f"Of the gap of {_points(found.gap, measure)}: {', '.join(shares)}."
    closing = _closing(found)
    if len(closing) > 1:
        return f"{detail} These do not add up: each of {' and '.join(closing)} is enough alone."
    if closing:
        return f"{detail} {closing[0]} is enough alone."
    if not found.adds_up:
        return (
            f"{detail} No field is enough alone, and alone they do not add up: they act together."
        )
    return detail


def _points(gain: float | None, measure: Yardstick) -> str:
    if gain is None:
        return "unknown"
    return f"{100 * gain:+.1f} points" if measure.metric == "accuracy" else f"{gain:+.2f} of R2"


def _named_by(diagnosis: Diagnosis | None, fields: Sequence[str]) -> list[str]:
    """The fields that the repairs of the first cause change, in their order."""
    causes = diagnosis.causes[:1] if diagnosis else ()
    paths = [str(o["path"]) for cause in causes for c in cause.repairs for o in c.patch]
    touched = [field for path in paths for field in fields if overlap(path, field)]
    return list(dict.fromkeys(touched))


def _values(
    first: float,
    second: float,
    trials: Sequence[Trial],
    outcomes: Sequence[Outcome],
    fields: Sequence[str],
    measure: Yardstick,
) -> Mapping[frozenset[str], float]:
    reached = {o.trial: measure.scores([o.value])[0] for o in outcomes if o.ran}
    between = {
        frozenset(change.code for change in trial.changes): reached[trial.code]
        for trial in trials
        if trial.code in reached
    }
    return {**between, frozenset(): first, frozenset(fields): second}
