"""Metrics have the arguments of Keras', or leave them out for a reason."""

import inspect
from typing import Any

import keras
import pytest

from contract.experiment.metrics import KINDS

ARGUMENTS_LEFT_OUT = {
    "dtype": "metrics are float32, as they are by default",
    "axis": "outputs have one axis besides the batch",
    "from_sorted_ids": "of outputs that are class numbers in order, which are none of a model's",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_has_the_arguments_of_keras(kind: Any) -> None:
    there = inspect.signature(getattr(keras.metrics, kind.__name__)).parameters
    ours = {
        name: inspect.Parameter.empty if field.is_required() else field.default
        for name, field in kind.model_fields.items()
        if name not in ("type", "name")
    }
    assert ours == {
        name: argument.default
        for name, argument in there.items()
        if name != "name" and name not in ARGUMENTS_LEFT_OUT
    }
