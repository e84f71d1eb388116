"""All that `keras.metrics` has is here, with its arguments, or is left out for a reason."""

import inspect
from typing import Any

import keras
import pytest

from contract.experiment.metrics import KINDS, NAMES

# By what is in `keras.metrics`.
LEFT_OUT = {
    "Metric": "of which a user's own come",
    "Mean": "of values, which a model's labels and outputs are not",
    "Sum": "as Mean",
    "MeanMetricWrapper": "takes a function of the user's",
    "Accuracy": "whether outputs and labels are equal, which learned numbers never are",
    "serialize": "no metric",
    "deserialize": "no metric",
    "get": "no metric",
    "huber": "no class of keras.metrics, and Keras knows no metric by this name",
    "binary_focal_crossentropy": "as huber",
    "categorical_focal_crossentropy": "as huber",
}
# By what a class of it takes.
ARGUMENTS_LEFT_OUT = {
    "dtype": "metrics are float32, as they are by default",
    "axis": "outputs have one axis besides the batch",
    "from_sorted_ids": "of outputs that are class numbers in order, which are none of a model's",
}


def test_all_of_it_is_here_or_left_out() -> None:
    there = {name for name in vars(keras.metrics) if not name.startswith("_")}
    there = {name for name in there if not inspect.ismodule(getattr(keras.metrics, name))}
    assert there == {*NAMES, *(kind.__name__ for kind in KINDS), *LEFT_OUT} & there
    assert set(LEFT_OUT) <= there
    assert {kind.__name__ for kind in KINDS} <= there


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
