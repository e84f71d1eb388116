"""Two runs side by side: what differs, and which of it explains the gap."""

import json
from itertools import combinations
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.experiment.spec import Experiment
from diagnosis.comparison.attribution import MOST, attribute, hybrids
from diagnosis.comparison.explain import Side, explain, explain_by_runs
from diagnosis.differences import Difference, differences
from diagnosis.proof.trial import Outcome
from diagnosis.proof.yardstick import Yardstick
from diagnosis.report import Cause, Change, Diagnosis
from tests.strategies import experiments

DIGITS = Yardstick("accuracy", 0.1, 360)
FIELDS = ["/dataset/scaling", "/training/epochs", "/training/batch_size"]


def full(experiment: Experiment) -> dict[str, Any]:
    return experiment.model_dump(mode="json")


def applied(spec: Any, found: list[Difference]) -> Any:
    operations = [operation for each in found for operation in each.patch]
    return jsonpatch.apply_patch(spec, operations)


@given(experiments(), experiments())
def test_all_differences_make_one_spec_of_the_other(one: Experiment, two: Experiment) -> None:
    first, second = full(one), full(two)
    found = differences(first, second)
    assert applied(first, found) == second
    assert len({difference.pointer for difference in found}) == len(found)
    assert differences(second, second) == []


@given(experiments(), experiments(), st.randoms(use_true_random=False))
def test_any_of_them_can_be_made_alone(one: Experiment, two: Experiment, random: Any) -> None:
    first = full(one)
    found = differences(first, full(two))
    chosen = [difference for difference in found if random.random() < 0.5]
    mixed = applied(first, chosen)
    left = [d.pointer for d in differences(mixed, applied(first, found)) if d.pointer[1] != "m"]
    assert set(left) == {d.pointer for d in found if d not in chosen and d.pointer[1] != "m"}


def test_fields_are_named_as_narrowly_as_they_differ() -> None:
    first = {
        "name": "a",
        "dataset": {"scaling": "none"},
        "model": {"layers": [{"type": "Flatten"}, {"type": "Dense", "units": 10}]},
        "training": {"optimizer": {"type": "SGD", "learning_rate": 0.01}, "shuffle": True},
    }
    second = {
        "name": "b",
        "dataset": {"scaling": "unit"},
        "model": {
            "layers": [
                {"type": "Flatten"},
                {"type": "Dropout", "rate": 0.5},
                {"type": "Dense", "units": 20},
            ]
        },
        "training": {"optimizer": {"type": "Adam", "learning_rate": 0.01}, "shuffle": 1},
    }
    found = differences(first, second)
    assert [(each.pointer, each.decides) for each in found] == [
        ("/name", False),
        ("/dataset/scaling", True),
        ("/model/layers/1/units", True),
        ("/training/optimizer", True),
        ("/training/shuffle", True),
        ("/model/layers/1", True),
    ]
    assert found[3].change.title == "/training/optimizer of Adam instead of SGD"
    assert json.dumps(applied(first, found)) == json.dumps(second)


def fields(count: int) -> list[Change]:
    return [
        Change(f"/{n}", f"/{n}", [{"op": "replace", "path": f"/{n}", "value": 1}])
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 0), (2, 2), (3, 6), (4, 8), (5, 10), (6, 6), (10, 10), (12, 10)]
)
def test_hybrids_are_few_and_none_is_one_of_the_two(count: int, expected: int) -> None:
    base = {str(n): 0 for n in range(count)} | {"training": {"epochs": 1}}
    trials = hybrids(fields(count), lambda patch: jsonpatch.apply_patch(base, list(patch)))
    assert len(trials) == expected <= MOST
    assert all(0 < len(trial.changes) < count for trial in trials)


RESULTS = st.floats(0, 1)


@given(st.lists(RESULTS, min_size=8, max_size=8), RESULTS)
def test_with_every_mixture_the_shares_add_up(results: list[float], noise: float) -> None:
    subsets = [frozenset(c) for size in range(4) for c in combinations(FIELDS, size)]
    values = dict(zip(subsets, results, strict=True))
    found = attribute(FIELDS, values, noise)
    assert found.method == "shapley"
    shares = [part.share or 0.0 for part in found.parts.values()]
    assert sum(shares) == pytest.approx(found.gap, abs=1e-9)


@given(st.dictionaries(st.sampled_from("abcdef"), RESULTS, min_size=2), RESULTS)
def test_what_adds_up_is_attributed_exactly(gains: dict[str, float], start: float) -> None:
    whole = frozenset(gains)
    known = [
        frozenset[str](),
        whole,
        *(frozenset([f]) for f in gains),
        *(whole - {f} for f in gains),
    ]
    values = {subset: start + sum(gains[f] for f in subset) for subset in known}
    found = attribute(list(gains), values, noise=1e-6)
    for field, part in found.parts.items():
        assert (part.alone, part.last, part.share) == pytest.approx((gains[field],) * 3)
    assert found.adds_up


def test_fields_that_act_together_do_not_add_up() -> None:
    names = ["a", "b", "c", "d", "e", "f"]
    values = {frozenset[str](): 0.1, frozenset(names): 0.9}
    values |= {frozenset([name]): 0.1 for name in names}
    found = attribute(names, values, noise=0.05)
    assert (found.method, found.adds_up) == ("one_end", False)
    assert {part.alone for part in found.parts.values()} == {0.0}


def side(value: float | None, *repairs: Change) -> Side:
    cause = Cause("c", "c", 0.9, ["It is."], {}, repairs)
    return Side(value, Diagnosis("unhealthy", "Bad.", [cause] if repairs else []))


def differing(*pointers: str) -> list[Difference]:
    return [Difference(p, [{"op": "replace", "path": p, "value": 1}], 0, 1) for p in pointers]


SCALING = Change("unit", "unit", [{"op": "add", "path": "/dataset/scaling", "value": "unit"}])


@pytest.mark.parametrize(
    ("first", "second", "found", "expected"),
    [
        (side(0.1), side(0.9), differing(*FIELDS[:1]), ("decided", FIELDS[:1])),
        (side(0.1), side(0.9), differing("/name"), ("undecided", [])),
        (side(0.1), side(0.9), differing(*FIELDS), ("undecided", FIELDS)),
        (side(0.1, SCALING), side(0.9), differing(*FIELDS), ("likely", FIELDS[:1])),
        (side(0.9), side(None, SCALING), differing(*FIELDS), ("likely", FIELDS[:1])),
        (side(0.9, SCALING), side(0.1), differing(*FIELDS), ("undecided", FIELDS)),
        (side(0.9), side(0.91), differing(*FIELDS[:1]), ("no_difference", [])),
    ],
)
def test_what_the_two_runs_alone_explain(
    first: Side, second: Side, found: list[Difference], expected: tuple[str, list[str]]
) -> None:
    told = explain((first, second), found, DIGITS)
    assert (told.certainty, told.fields) == expected


def by_runs(own: float, other: float, **reached: float | None) -> Any:
    names = ["/a", "/b"]
    changes = [Change(f"/{n}", n, [{"op": "replace", "path": f"/{n}", "value": 1}]) for n in "ab"]
    base = {"a": 0, "b": 0, "training": {"epochs": 1}}
    trials = hybrids(changes, lambda patch: jsonpatch.apply_patch(base, list(patch)))
    outcomes = [Outcome(f"/{n}", 0, value is not None, value) for n, value in reached.items()]
    return explain_by_runs((side(own), side(other)), trials, outcomes, names, DIGITS)


def test_the_field_that_makes_the_gap_is_named() -> None:
    told = by_runs(0.1, 0.9, a=0.88, b=0.12)
    assert (told.certainty, told.fields) == ("decided", ["/a"])
    assert told.detail == (
        "Of the gap of +80.0 points: /a +78.0 points, /b +2.0 points. /a is enough alone."
    )
    assert by_runs(0.9, 0.1, a=0.12, b=0.88).fields == ["/a"]


def test_fields_of_which_each_is_enough_are_all_named() -> None:
    told = by_runs(0.1, 0.9, a=0.9, b=0.85)
    assert (told.certainty, told.fields, told.attribution.adds_up) == (
        "decided", ["/a", "/b"], False,
    )  # fmt: skip
    assert "do not add up: each of /a and /b is enough alone" in told.detail


def test_fields_of_which_none_is_enough_act_together() -> None:
    told = by_runs(0.1, 0.9, a=0.12, b=0.1)
    assert (told.certainty, told.attribution.adds_up) == ("undecided", False)
    assert "they act together" in told.detail
    halves = by_runs(0.1, 0.9, a=0.5, b=0.5)
    assert (halves.certainty, halves.attribution.adds_up) == ("undecided", True)


def test_hybrids_that_did_not_run_decide_nothing() -> None:
    told = by_runs(0.1, 0.9, a=None, b=None)
    assert (told.certainty, told.fields) == ("undecided", [])
    assert "No run between the two" in told.detail
    assert by_runs(0.1, 0.9, a=0.9, b=None).certainty == "decided"
    assert by_runs(0.5, 0.51, a=0.9, b=0.1).certainty == "no_difference"
