"""Pydantic's errors as faults: pointers into the document, one a field, in plain words."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from api.http.pointers import Source, pointer
from api.http.validation_errors import Fault, faults_in
from api.jobs.request import Posted
from api.sweeps.request import NewSweep
from contract.experiment.spec import Experiment

RECIPES = Path(__file__).parents[4] / "recipes"
# Every union that a spec has: tagged, of a name or an object, of a number or a list.
RICH: dict[str, Any] = {
    "name": "rich",
    "tags": ["a", "b"],
    "dataset": {"name": "moons", "samples": 200, "noise": 0.1, "limit": 100},
    "model": {
        "layers": [
            {"type": "Reshape", "target_shape": [2, 1, 1]},
            {"type": "ZeroPadding2D", "padding": [[1, 2], [3, 4]]},
            {"type": "ZeroPadding2D", "padding": [1, 2]},
            {
                "type": "Conv2D",
                "filters": 3,
                "kernel_size": [2, 1],
                "strides": 1,
                "kernel_initializer": {"type": "VarianceScaling", "scale": 2.0},
                "bias_initializer": {"type": "Constant", "value": 0.5},
                "kernel_regularizer": {"type": "L1L2", "l1": 0.1},
            },
            {"type": "MaxPooling2D", "strides": [1, 1]},
            {"type": "Clip", "x_min": -1, "x_max": 1},
            {"type": "Flatten"},
            {"type": "Dense", "units": 2, "kernel_initializer": "he_normal"},
        ]
    },
    "training": {
        "optimizer": {
            "type": "SGD",
            "learning_rate": {
                "type": "PiecewiseConstantDecay",
                "boundaries": [10, 20],
                "values": [0.1, 0.01, 0.001],
            },
            "clipnorm": 1.0,
        },
        "loss": {"type": "CategoricalCrossentropy", "label_smoothing": 0.1},
        "epochs": 3,
        "early_stopping": {"monitor": "val_loss", "patience": 2},
        "reduce_lr_on_plateau": {"factor": 0.5, "cooldown": 1},
        "model_checkpoint": {"monitor": "loss"},
        "class_weight": {"0": 1, "a/b": 2.5},
        "validation": {"on": "split", "fraction": 0.2},
    },
}
DOCUMENTS = [RICH, *(json.loads(file.read_text()) for file in sorted(RECIPES.glob("*.json")))]
NAMES = (
    "digits, mnist, fashion_mnist, cifar10, cifar100, imdb, reuters, california_housing, iris, "
    "wine, breast_cancer, diabetes, circles, moons, blobs, addition, moving_squares, or the id of "
    "an uploaded dataset, ds_..."
)
JUNK: list[Any] = [None, True, -7, 0, 2.5, float("nan"), "", "junk", [], ["junk"], {}, {"junk": 1}]
JUNK += [{"type": "Junk"}, {"type": "Dense"}, {"type": 3}, [[1, 2], 3], 10**30]

Path_ = tuple[str | int, ...]


def places(value: Any, path: Path_ = ()) -> list[Path_]:
    """The path of every value in a document."""
    inner = list(value.items()) if isinstance(value, dict) else []
    inner += enumerate(value) if isinstance(value, list) else []
    return [path, *(found for key, entry in inner for found in places(entry, (*path, key)))]


def entry(document: Any, path: Path_) -> Any:
    for part in path:
        document = document[part]
    return document


def faults(document: Any) -> list[Fault]:
    """As FastAPI finds them: in the body, and from attributes."""
    try:
        TypeAdapter(Experiment).validate_python(document, from_attributes=True)
    except ValidationError as error:
        errors = [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        return faults_in(errors, Posted.source_of(document))[0]
    return []


def with_(path: Path_, value: Any) -> Any:
    document = copy.deepcopy(RICH)
    entry(document, path[:-1])[path[-1]] = value
    return document


def test_the_documents_are_good() -> None:
    assert [faults(document) for document in DOCUMENTS] == [[] for _ in DOCUMENTS]


@given(st.data())
def test_a_fault_points_to_where_the_document_was_broken(data: st.DataObject) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from(DOCUMENTS)))
    path = data.draw(st.sampled_from(places(document)[1:]))
    parent = entry(document, path[:-1])
    if isinstance(path[-1], str) and data.draw(st.booleans(), label="left out"):
        del parent[path[-1]]
    else:
        parent[path[-1]] = data.draw(st.sampled_from(JUNK))
    broken = pointer(path)
    found = [fault.pointer or "" for fault in faults(document)]
    for told in found:
        assert f"{broken}/".startswith(f"{told}/") or f"{told}/".startswith(f"{broken}/")
    assert len(set(found)) == len(found), "two faults at one place"


@given(st.data())
def test_a_field_that_does_not_exist_is_named(data: st.DataObject) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from(DOCUMENTS)))
    objects = [path for path in places(document) if isinstance(entry(document, path), dict)]
    path = data.draw(st.sampled_from(objects))
    name = data.draw(st.sampled_from(["Dense", "SGD", "constrained-int", "a/b", "~", "0", ""]))
    entry(document, path)[name] = 1
    (fault,) = faults(document)
    assert fault.pointer == pointer((*path, name))
    assert "there is no such field" in fault.detail


@pytest.mark.parametrize(
    ("path", "value", "detail"),
    [
        (
            ("model", "layers", 3, "kernel_size"),
            "3",
            'expected a whole number or a list; received "3"',
        ),
        (("model", "layers", 3, "kernel_size"), 0, "expected a number of at least 1; received 0"),
        (
            ("model", "layers", 3, "kernel_size"),
            [1, 2, 3],
            "expected a list of at most 2; received [1, 2, 3]",
        ),
        (
            ("model", "layers", 1, "padding"),
            [[1, 2], 0],
            "expected a whole number or a list; received [[1, 2], 0]",
        ),
        (
            ("training", "optimizer", "learning_rate"),
            -1,
            "expected a number above 0; received -1",
        ),
        (
            ("training", "optimizer", "learning_rate"),
            float("-inf"),
            "expected a finite number; received -Infinity",
        ),
        (
            ("training", "optimizer", "learning_rate", "values"),
            [1.0],
            "expected a list of at least 2; received [1.0]",
        ),
        (
            ("model", "layers", 7, "kernel_initializer"),
            "he_norml",
            (
                "expected one of constant, glorot_normal, glorot_uniform, he_normal, he_uniform, "
                "identity, lecun_normal, lecun_uniform, ones, orthogonal, random_normal, "
                "random_uniform, truncated_normal, variance_scaling or zeros; "
                'received "he_norml": did you mean he_normal?'
            ),
        ),
        (
            ("dataset", "name"),
            "moon",
            f'expected one of {NAMES}; received "moon": did you mean moons?',
        ),
        (("dataset", "name"), "dataset", f'expected one of {NAMES}; received "dataset"'),
        (("dataset", "name"), "ds_1", f'expected one of {NAMES}; received "ds_1"'),
        (("dataset", "name"), 7, f"expected one of {NAMES}; received 7"),
        (
            ("training", "validation", "on"),
            "tst",
            'expected one of test, split or none; received "tst": did you mean test?',
        ),
        (
            ("training", "early_stopping"),
            3,
            "expected an object; received 3",
        ),
        (
            ("training", "early_stopping", "patiense"),
            3,
            (
                "there is no such field; EarlyStopping has monitor, min_delta, patience, "
                "restore_best_weights, start_from_epoch: did you mean patience?"
            ),
        ),
    ],
)
def test_the_words(path: Path_, value: Any, detail: str) -> None:
    (fault,) = faults(with_(path, value))
    assert fault.pointer == pointer(path)
    assert fault.detail == detail


def test_what_a_validator_says_is_kept() -> None:
    (fault,) = faults(with_(("model", "layers", 5, "x_min"), 2))
    assert fault.pointer == "/model/layers/5"
    assert fault.detail == "x_min must be below x_max; received 2.0 and 1.0"


def test_pointers_are_escaped() -> None:
    assert pointer(()) == ""
    assert pointer(("a/b", 0, "~1", "")) == "/a~1b/0/~01/"
    assert pointer(("\ud800",)) == "/\\ud800"
    assert pointer(("k" * 10**6, 1)) == f"/{'k' * 100}/1"


def test_twenty_are_told_and_the_rest_counted() -> None:
    errors = [
        {"type": "missing", "loc": ("body", f"f{number}"), "msg": "", "input": {}}
        for number in range(1200)
    ]
    told, left_out = faults_in(errors, Posted.source_of({}))
    assert [fault.pointer for fault in told] == [f"/f{number}" for number in range(20)]
    assert left_out == 1180


def sweep_faults(axes: Any) -> dict[str | None, str]:
    document = {"base": {"recipe": "relu-raw"}, "axes": axes}
    with pytest.raises(ValidationError) as refused:
        NewSweep.model_validate(document)
    errors = [{**each, "loc": ("body", *each["loc"])} for each in refused.value.errors()]
    told, _ = faults_in(errors, Source(NewSweep, document))
    assert len({fault.pointer for fault in told}) == len(told), "two faults at one place"
    return {fault.pointer: fault.detail for fault in told}


def test_a_range_is_pointed_into() -> None:
    told = sweep_faults({"/training/seed": {"low": "1", "hihg": 2}})
    assert told == {
        "/axes/~1training~1seed/low": 'expected a whole number or a number; received "1"',
        "/axes/~1training~1seed/high": "this is required, and missing",
        "/axes/~1training~1seed/hihg": (
            "there is no such field; Range has low, high, log, step: did you mean high?"
        ),
    }


@pytest.mark.parametrize("axis", ["seed", "Range", "low", "[key]x", "constrained-int"])
@pytest.mark.parametrize("values", [[1], {"low": 1, "high": 2}, 3])
def test_an_axis_that_is_no_pointer_is_pointed_at(axis: str, values: Any) -> None:
    (place,) = sweep_faults({axis: values})
    assert place == f"/axes/{axis}"
