"""Documents of other versions: what can be read of them is read, and nothing else happens."""

import json
import logging
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.diagnosis.responses import Cause
from contract.errors import Unreadable
from contract.experiment.datasets import CATALOGUE, Upload
from contract.jobs.reports import Checkpoint
from contract.store.documents import read
from contract.store.numbers import encode
from contract.sweeps.plan import Plan
from diagnosis.proof.trial import Trial
from diagnosis.report import Diagnosis
from diagnosis.run.signals import Signals
from tests.diagnosed import HEALTHY
from tests.proofs import SCALE, SLOWER, UNIT
from worker.duties.optuna_trials import Known

TRIALS = [Trial("unit+slower", "both", [UNIT, SLOWER], 5, ["input_scale"])]
PLAN = Plan.model_validate(
    {
        "axes": {"/training/seed": [1, 2], "/dataset/noise": {"low": 0.1, "high": 0.2}},
        "method": "random",
        "samples": 2,
        "pruner": {"type": "MedianPruner"},
    }
)
CHECKPOINT = Checkpoint("a.npz", "0" * 64, Checkpoint("b.npz", "1" * 64))
UPLOAD = Upload(replace(CATALOGUE["iris"], source="upload"), "ds.npz", "0" * 64)
KINDS: list[tuple[Any, Any]] = [
    (Signals, HEALTHY),
    (Diagnosis, SCALE),
    (list[Trial], TRIALS),
    (Checkpoint, CHECKPOINT),
    (Upload, UPLOAD),
    (Known, Known(3, {"pruned": 1})),
    (Plan, PLAN),
]


def stored(value: Any) -> Any:
    """As it lies in the database."""
    if isinstance(value, list):
        return [stored(each) for each in value]
    document = value.model_dump(mode="json") if isinstance(value, Plan) else asdict(value)
    return json.loads(json.dumps(encode(document)))


def places(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of all that is in it."""
    entries = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in entries:
        yield (*at, key)
        if isinstance(value, dict | list):
            yield from places(value, (*at, key))


def changed(document: Any, place: tuple[Any, ...], change: str) -> Any:
    made = deepcopy(document)
    part = made
    for key in place[:-1]:
        part = part[key]
    if change == "gone":
        del part[place[-1]]
    elif change == "more":
        part[place[-1]] = {"told": part[place[-1]]}
    else:
        part[place[-1]] = {"null": None, "word": "much", "list": [[]]}[change]
    return made


@pytest.mark.parametrize(("kind", "value"), KINDS, ids=str)
def test_what_this_version_stores_it_reads(kind: Any, value: Any) -> None:
    document = stored(value)
    read_ = read(kind, document)
    assert stored(read_) == document


@pytest.mark.parametrize(("kind", "value"), KINDS, ids=str)
def test_whatever_is_otherwise_something_is_read_or_that_is_said(kind: Any, value: Any) -> None:
    """Each field of each document: away, null, of another form."""
    document = stored(value)
    before = deepcopy(document)
    for place in places(document):
        for change in ("gone", "null", "word", "list", "more"):
            try:
                read(kind, changed(document, place, change))
            except Unreadable:
                continue
    assert document == before


@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(["gone", "word"]))))
def test_of_many_changes_the_rest_is_read(changes: list[tuple[int, str]]) -> None:
    document = stored(HEALTHY)
    for number, change in changes:
        found = list(places(document))
        document = changed(document, found[number % len(found)], change) if found else document
    try:
        read(Signals, document)
    except Unreadable:
        assert changes


def test_what_is_not_known_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    document = stored(HEALTHY) | {"colour": 3}
    document["curvature"]["trace"] = 1.0
    assert read(Signals, document) == read(Signals, stored(HEALTHY))
    assert read(Plan, stored(PLAN) | {"colour": 3}) == PLAN
    assert caplog.messages == [] or all("colour" in each for each in caplog.messages)


def test_only_what_cannot_be_read_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    document = stored(HEALTHY)
    del document["moments"][0]["loss"]
    document["moments"][1]["layers"][0]["units"] = "many"
    document["data"]["input_min"] = "low"
    with caplog.at_level(logging.WARNING):
        found = read(Signals, document)
    whole = read(Signals, stored(HEALTHY))
    kept = whole.moments[1]
    assert found == replace(whole, data=None, moments=[replace(kept, layers=list(kept.layers)[1:])])
    assert "left out of a stored Signals: ('data', 'input_min')" in caplog.text


def test_an_answer_has_null_for_what_may_be_null() -> None:
    """Of a cause that was stored before there were such fields."""
    cause = {"code": "a", "title": "A", "score": 1, "evidence": [], "numbers": {"b": "much"},
             "repairs": [{"code": "c"}], "rivals": []}  # fmt: skip
    told = read(Cause, cause)
    assert (told.standing, told.numbers, told.repairs) == (None, {"b": None}, [])


@dataclass(frozen=True)
class Small:
    name: str


@pytest.mark.parametrize("document", [None, [], {}, {"name": [3]}, "text"])
def test_what_is_nothing_of_the_kind_is_refused(document: Any) -> None:
    with pytest.raises(Unreadable, match="is no Small that this version reads"):
        read(Small, document)
