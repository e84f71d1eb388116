"""A recipe and what to change in it: what comes of that, and where its faults are."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from api.http.validation_errors import Fault, faults_in
from api.jobs.recipes import RECIPES, experiment_of
from api.jobs.request import Posted
from contract.errors import SpecRefused
from contract.experiment.datasets import facts_of
from contract.settings import Settings
from contract.sizing.limits import check

RAW = experiment_of("relu-raw", {})
FLATTEN = {"type": "Flatten"}
HEAD = {"type": "Dense", "units": 10, "activation": "softmax"}
VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from([*RAW, "x"]), inner, max_size=3),
    max_leaves=8,
)
PATCHES = st.dictionaries(
    st.sampled_from([*RAW, "x"]), VALUES | st.fixed_dictionaries({"optimizer": VALUES}), max_size=4
)


def read(document: Any) -> Posted:
    return TypeAdapter(Posted).validate_python(document, from_attributes=True)


def faults(document: Any) -> list[Fault]:
    with pytest.raises(ValidationError) as refused:
        read(document)
    errors = [{**each, "loc": ("body", *each["loc"])} for each in refused.value.errors()]
    return faults_in(errors, Posted.source_of(document))[0]


def changed(**overrides: Any) -> dict[str, Any]:
    return {"recipe": "relu-raw", "overrides": overrides}


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2, word for word."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merge_patch(target.get(name), value)
    return target


@given(PATCHES)
def test_overrides_are_merged_as_the_rfc_says(patch: dict[str, Any]) -> None:
    assert experiment_of("relu-raw", patch) == merge_patch(RAW, patch)
    assert experiment_of("relu-raw", {}) == RAW, "the recipe itself was changed"


def test_overrides_may_be_nested_deeper_than_the_stack() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"x": deep}
    assert "x" in experiment_of("relu-raw", deep)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_without_overrides_is_the_recipe(recipe: str) -> None:
    plain = read(experiment_of(recipe, {})).experiment
    assert read({"recipe": recipe}).experiment == plain
    assert read({"recipe": recipe, "overrides": {}}).experiment == plain


def test_overrides_change_what_they_name_alone() -> None:
    spec = changed(dataset={"scaling": "unit"}, training={"validation": None, "epochs": 3})
    experiment = read(spec).experiment
    assert (experiment.dataset.name, experiment.dataset.scaling) == ("mnist", "unit")
    assert (experiment.training.epochs, experiment.training.batch_size) == (3, 100)
    assert "validation" not in experiment.training.model_fields_set


@pytest.mark.parametrize(
    ("document", "pointer", "said"),
    [
        ({"recipe": "relu-rw"}, "/recipe", "did you mean relu-raw?"),
        ({"recipe": "relu-rw"}, "/recipe", ", ".join(RECIPES)),
        ({"recipe": 3}, "/recipe", "a string; received 3"),
        ({"recipe": "relu-raw", "overrides": []}, "/overrides", "an object; received []"),
        ({"recipe": "relu-raw", "name": "x"}, "/name", "FromRecipe has recipe, overrides"),
        (changed(training={"epochs": "3"}), "/overrides/training/epochs", 'received "3"'),
        (changed(training={"epochs": None}), "/overrides/training/epochs", "required"),
        (changed(name=None), "/overrides/name", "required"),
        (changed(epochs=3), "/overrides/epochs", "Experiment has name"),
        (changed(dataset={"name": "minst"}), "/overrides/dataset/name", "did you mean mnist?"),
        (
            changed(model={"layers": [FLATTEN, {"type": "Dense"}]}),
            "/overrides/model/layers/1/units",
            "required",
        ),
        (
            changed(training={"optimizer": {"type": "Adam", "momentum": 0.9}}),
            "/overrides/training/optimizer/momentum",
            "no such field",
        ),
    ],
)
def test_a_fault_points_into_what_was_posted(document: Any, pointer: str, said: str) -> None:
    (fault,) = faults(document)
    assert fault.pointer == pointer
    assert said in fault.detail


@pytest.mark.parametrize(
    ("document", "pointer", "said"),
    [
        (
            changed(model={"layers": [FLATTEN, {**HEAD, "units": 10**9}]}),
            "/overrides/model/layers/1/units",
            "parameters",
        ),
        (
            changed(dataset={"name": "iris"}),
            "/recipe",
            "/model/layers/2 of the experiment: iris needs 3",
        ),
        (
            changed(training={"early_stopping": {"monitor": "val_mae"}}),
            "/overrides/training/early_stopping/monitor",
            "val_mae is not measured",
        ),
        (
            changed(training={"validation": {"on": "none"}, "early_stopping": {}}),
            "/overrides/training/early_stopping/monitor",
            "val_loss is not measured",
        ),
        ({**RAW, "dataset": {"name": "iris"}}, "/model/layers/2", "iris needs 3"),
    ],
)
def test_so_does_what_the_budget_refuses(document: Any, pointer: str, said: str) -> None:
    posted = read(document)
    with pytest.raises(SpecRefused) as refused, posted.blamed():
        check(posted.experiment, facts_of(posted.experiment.dataset.name), Settings())
    assert refused.value.pointer == pointer
    assert refused.value.detail.startswith(said) or said in refused.value.detail
