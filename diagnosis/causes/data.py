"""The data: labels that nothing explains, one that drowns the others, order, and a split apart."""

import math
from collections.abc import Callable, Iterator, Sequence

from diagnosis import changes
from diagnosis.report import Cause, Change, Finding
from diagnosis.run.case import Case
from diagnosis.run.setup import Setup
from diagnosis.words import number, percent

CODE = "data"

# The share of one class from which accuracy says little.
_DROWNED = 0.9
# Standard deviations between a column's mean in the test and in the training part.
_SHIFTED = 1.0
# What the test part must lack against the training part for a shift to be to blame.
_LOST = 0.2
_CONSTANT = 0.98
_FEWEST = 40

_NO_NUMBERS = "The data hold values that are empty, NaN or infinite"
_THEIR_HARM = (
    "A single one makes every weight that it meets no number, and with them, for most models, the "
    "loss: fill or drop them, and upload the data again."
)

Fault = tuple[float, str, list[str], list[Change]]


def cause(case: Case) -> Cause | None:
    """The surest of the faults in the data that were measured."""
    if case.holds_no_numbers:
        return Cause(CODE, _NO_NUMBERS, 1.0, [_THEIR_HARM], {}, ())
    if case.signals.data is None:
        return None
    found = [fault for look in _FAULTS if (fault := look(case)) is not None]
    if not found:
        return None
    score, title, evidence, repairs = max(found, key=lambda fault: fault[0])
    data, place = case.signals.data, case.standing
    return Cause(
        code=CODE,
        title=title,
        score=score,
        evidence=evidence,
        numbers={
            "label_runs": data.label_runs,
            "neighbour_agreement": place.neighbours,
            "linear_baseline": place.linear,
            "curved_baseline": place.curved,
            "test_shift": data.test_shift,
        },
        repairs=repairs,
        rivals=[changes.learning_rate(case.procedure.rate / 10), changes.scaling("standard")],
    )


def findings(setup: Setup) -> Iterator[Finding]:
    """Values that are no numbers, an epoch chosen by the test part, classes in stored order."""
    if not setup.facts.get("finite", True):
        yield Finding(CODE, "error", "/dataset/name", f"{_NO_NUMBERS}. {_THEIR_HARM}")
    if (chooser := setup.chooses_on_test) is not None:
        detail = f"{chooser} chooses the epoch by the test part, so the result on it is flattered."
        split = changes.put("/training/validation", {"on": "split", "fraction": 0.1})
        repair = Change("split", "validation on a tenth of the training part", [split])
        yield Finding(CODE, "warning", "/training/validation/on", detail, [repair])
    if setup.spec["training"].get("shuffle") is False and setup.task == "classification":
        detail = "Examples come in their stored order: classes that lie together are forgotten."
        yield Finding(CODE, "warning", "/training/shuffle", detail, [_shuffled()])


def _shuffled() -> Change:
    return Change("shuffle", "shuffled examples", [changes.put("/training/shuffle", True)])


def _ordered(case: Case) -> Fault | None:
    data = case.signals.data
    runs = data.label_runs if data is not None else None
    shares = _shares(case)
    if runs is None or not shares or case.spec["training"].get("shuffle") is not False:
        return None
    chance = sum(share * share for share in shares)
    if chance > 0.9 or not runs > (1 + chance) / 2:
        return None
    evidence = (
        f"In the order of training {percent(runs)} of the examples have the label of the one "
        f"before; in a random order it would be {percent(chance)}."
    )
    return 0.96, "The examples come sorted by their labels", [evidence], [_shuffled()]


def _unrelated(case: Case) -> Fault | None:
    place = case.standing
    # Beyond few examples, or in a single class, neither baseline could be better than chance.
    few = case.train_examples < _FEWEST or max(_shares(case), default=0.0) > _DROWNED
    if not place.hopeless or few:
        return None
    evidence = [_no_better(case)]
    if (case.fits or 0.0) > 0.5:
        evidence.append(f"The model learned {_by_heart(case)} of the training part by heart.")
    # With fewer examples than inputs, a relation that holds may be out of the baselines' sight.
    score = 0.97 if case.train_examples >= math.prod(case.facts.get("shape") or ()) else 0.9
    return score, "The labels have nothing to do with the inputs", evidence, []


def _by_heart(case: Case) -> str:
    return f"R2 {number(case.train_value)}" if case.regression else percent(case.train_value)


def _no_better(case: Case) -> str:
    place = case.standing
    if case.regression:
        return (
            f"A linear model reaches R2 {number(place.linear)} and a plain curved one "
            f"{number(place.curved)}: no better than always answering the mean."
        )
    levels = f"{percent(place.linear)} and {percent(place.neighbours)}"
    return f"A linear model and the nearest example's class reach {levels}: no better than chance."


def _drowned(case: Case) -> Fault | None:
    share = max(_shares(case), default=0.0)
    if case.task != "classification" or share < _DROWNED:
        return None
    what = "places in the training examples" if case.per_place else "training examples"
    evidence = f"{percent(share)} of the {what} are of one class."
    return 0.93, "One class drowns the others", [evidence], []


def _shifted(case: Case) -> Fault | None:
    data, place = case.signals.data, case.standing
    shift = data.test_shift if data is not None else None
    if shift is None or not shift >= _SHIFTED or case.train_value is None or place.value is None:
        return None
    if case.train_value - place.value < _LOST:
        return None
    evidence = (
        f"A column's mean in the test part lies {number(shift)} standard deviations from that in "
        f"the training part; the model reaches {percent(case.train_value)} there and "
        f"{percent(place.value)} here."
    )
    return 0.95, "The test part is not like the training part", [evidence], []


def _constant(case: Case) -> Fault | None:
    data = case.signals.data
    if data is None or not data.constant_columns >= _CONSTANT:
        return None
    evidence = f"{percent(data.constant_columns)} of the columns never change."
    return 0.97, "The inputs are all alike", [evidence], []


_FAULTS: Sequence[Callable[[Case], Fault | None]] = (
    _ordered,
    _unrelated,
    _drowned,
    _shifted,
    _constant,
)


def _shares(case: Case) -> list[float]:
    """Of each class among the training examples."""
    data = case.signals.data
    counts = [n for n in data.class_counts if n > 0] if data is not None else []
    if case.task != "classification" or not counts:
        return []
    return [n / sum(counts) for n in counts]
