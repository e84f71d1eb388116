"""Which weights of classes a dataset takes, by number and by name."""

from dataclasses import replace
from typing import Any

import pytest

from contract.errors import SpecRefused
from contract.experiment.datasets import Facts, Task
from contract.experiment.spec import Experiment
from contract.settings import Settings
from contract.sizing.class_weights import class_weights
from contract.sizing.limits import check
from tests import uploaded


def spec(told: Any, units: int = 3) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "t",
            "dataset": {"name": uploaded.ID},
            "model": {"layers": [{"type": "Dense", "units": units}]},
            "training": {
                "optimizer": {"type": "SGD"},
                "loss": "mse",
                "epochs": 1,
                "class_weight": told,
            },
        }
    )


def named(*names: str) -> Facts:
    return replace(uploaded.facts("classification"), class_names=names)


@pytest.mark.parametrize(
    ("told", "names", "expected"),
    [
        ({"0": 1, "2": 5.5}, None, {0: 1.0, 2: 5.5}),
        ({"2": 0}, ("a", "b", "c"), {2: 0.0}),
        ({"b": 2, "a": 3}, ("a", "b", "c"), {1: 2.0, 0: 3.0}),
        ({"1": 2, "3": 3}, ("1", "2", "3"), {0: 2.0, 2: 3.0}),
        ({"1": 2, "0": 3}, ("1", "2", "3"), {1: 2.0, 0: 3.0}),
        ("balanced", None, {}),
        (None, None, {}),
    ],
)
def test_whose_weight_it_is(
    told: Any, names: tuple[str, ...] | None, expected: dict[int, float]
) -> None:
    facts = replace(uploaded.facts("classification"), class_names=names)
    assert class_weights(spec(told), facts) == expected


@pytest.mark.parametrize(
    ("told", "facts", "pointer", "detail"),
    [
        ({"0": 1, "3": 2}, named(), "/training/class_weight/3", "no class 3; expected numbers"),
        ({"a/b": 1}, named("a", "b", "c"), "/training/class_weight/a~1b", "or names of its"),
        ({"a": 1, "2": 1}, named("a", "b", "c"), "/training/class_weight/a", "classes alone"),
        ({"01": 1}, named(), "/training/class_weight/01", "from 0 to 2"),
    ],
)
def test_classes_that_there_are_not(told: Any, facts: Facts, pointer: str, detail: str) -> None:
    with pytest.raises(SpecRefused) as refused:
        check(spec(told), facts, Settings())
    assert refused.value.pointer == pointer
    assert detail in refused.value.detail


def test_examples_have_weights_of_one_kind() -> None:
    """Keras raises where it is told both."""
    facts, balanced = replace(uploaded.facts("classification"), weighted=True), spec("balanced")
    with pytest.raises(SpecRefused, match="weights of their own") as refused:
        check(balanced, facts, Settings())
    assert refused.value.pointer == "/training/class_weight"
    without = balanced.training.model_copy(update={"sample_weight": "off"})
    check(balanced.model_copy(update={"training": without}), facts, Settings())


@pytest.mark.parametrize("told", ["balanced", {"0": 2}])
@pytest.mark.parametrize("task", ["multi_label", "regression"])
def test_only_classes_have_weights(task: Task, told: Any) -> None:
    facts = uploaded.facts(task)
    with pytest.raises(SpecRefused) as refused:
        check(spec(told, facts.output_shape[-1]), facts, Settings())
    assert refused.value.pointer == "/training/class_weight"
    assert f"is {task}" in refused.value.detail
