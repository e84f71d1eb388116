"""A union answers with the errors of the member that was meant, or says what all of them take."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from contract.experiment.constraints import Constraint
from contract.experiment.initializers import Constant, Initializer, Regularizer
from contract.experiment.layers.arguments import Window2D
from contract.experiment.layers.reshaping import ZeroPadding2D
from contract.experiment.losses import Loss
from contract.experiment.optimizers import Optimizer
from contract.experiment.schedules import LearningRate
from contract.sweeps.axes import Axis, Number


def errors(kind: Any, value: Any) -> list[tuple[Any, ...]]:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(value)
    return [(*error["loc"], error["type"]) for error in refused.value.errors()]


@pytest.mark.parametrize(
    ("kind", "value", "location"),
    [
        (Window2D, 0, ("<whole>", "greater_than_equal")),
        (Window2D, [1, 0], ("<list>", 1, "greater_than_equal")),
        (LearningRate, -1, ("<whole>", "greater_than")),
        (LearningRate, -0.5, ("<number>", "greater_than")),
        (LearningRate, {"type": "Step"}, ("<object>", "union_tag_invalid")),
        (Initializer, "he_norml", ("<text>", "literal_error")),
        (Initializer, {}, ("<object>", "union_tag_not_found")),
        (Loss, {"type": "Huber", "delta": "1"}, ("<object>", "Huber", "delta", "float_type")),
        (Loss, {"type": "Huber", "delta": 0}, ("<object>", "Huber", "delta", "greater_than")),
        (Axis, [], ("<list>", "too_short")),
        (Axis, {"low": 1}, ("<object>", "high", "missing")),
        (Number, 1e39, ("<number>", "less_than_equal")),
    ],
)
def test_one_member_answers(kind: Any, value: Any, location: tuple[Any, ...]) -> None:
    assert errors(kind, value) == [location]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Window2D, "a whole number or a list"),
        (LearningRate, "a number or an object whose type is one of ExponentialDecay,"),
        (Initializer, "variance_scaling or zeros or an object whose type is one of Constant,"),
        (Loss, "squared_hinge or tversky or an object whose type is one of BinaryCrossentropy,"),
        (Optimizer, "muon or schedulefreeadamw or an object whose type is one of SGD,"),
        (Constraint, "min_max_norm or an object whose type is one of NonNeg, UnitNorm,"),
        (Axis, "a list or an object"),
    ],
)
@pytest.mark.parametrize("value", [None, True])
def test_what_no_member_takes(kind: Any, expected: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(value)
    (error,) = refused.value.errors()
    assert (error["loc"], error["type"]) == ((), "kind")
    assert expected in error["ctx"]["expected"]


def test_two_lists_are_told_apart_by_what_is_in_them() -> None:
    def padding(value: Any) -> Any:
        return ZeroPadding2D.model_validate({"type": "ZeroPadding2D", "padding": value}).padding

    assert padding([1, 2]) == (1, 2)
    assert padding([[1, 2], [3, 4]]) == ((1, 2), (3, 4))
    place = ("padding", "<lists>", 1, 0, "int_type")
    assert errors(ZeroPadding2D, {"padding": [[1, 2], ["3", 4]]}) == [place]
    assert errors(ZeroPadding2D, {"padding": [[1, 2], 3]}) == [("padding", "kind")]


def test_a_number_stays_what_it_is() -> None:
    read = TypeAdapter(Number).validate_python
    assert [repr(read(value)) for value in (3, 3.0, 10**13)] == ["3", "3.0", "10000000000000.0"]


@pytest.mark.parametrize(
    ("kind", "name", "written"),
    [
        (Optimizer, "adam", {"type": "Adam"}),
        (Optimizer, "RMSprop", {"type": "RMSprop"}),
        (Optimizer, "SGD", {"type": "SGD"}),
        (Optimizer, {"type": "Lamb"}, {"type": "Lamb"}),
        (Regularizer, "l2", {"type": "L2"}),
        (Regularizer, "L1", {"type": "L1"}),
        (Regularizer, "l1_l2", {"type": "L1L2"}),
        (Regularizer, "orthogonal_regularizer", {"type": "OrthogonalRegularizer"}),
        (Constraint, "non_neg", {"type": "NonNeg"}),
        (Constraint, "MaxNorm", {"type": "MaxNorm"}),
        (Initializer, "HeNormal", "he_normal"),
        (Initializer, "uniform", "random_uniform"),
        (Loss, "MSE", "mean_squared_error"),
        (Loss, "BinaryCrossentropy", "binary_crossentropy"),
        (Loss, "bce", "binary_crossentropy"),
        (Loss, "kld", "kl_divergence"),
        (Loss, {"type": "Poisson"}, "poisson"),
        (Loss, {"type": "Huber", "delta": 2.0}, {"type": "Huber", "delta": 2.0}),
    ],
)
def test_a_name_stands_for_what_keras_makes_of_it(kind: Any, name: Any, written: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    read = adapter.validate_python(name)
    assert adapter.dump_python(read, exclude_unset=True, mode="json") == written
    assert adapter.validate_python(written) == read, "what is written can be read again"


@pytest.mark.parametrize("value", ["ones", {"type": "Constant", "value": 0.5}])
def test_it_is_written_as_it_was_read(value: Any) -> None:
    adapter = TypeAdapter(Initializer)
    assert adapter.dump_python(adapter.validate_python(value)) == value


def test_a_part_is_an_object() -> None:
    constant = Constant(type="Constant")
    assert TypeAdapter(Initializer).validate_python(constant) is constant
