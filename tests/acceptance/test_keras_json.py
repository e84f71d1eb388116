"""Models as Keras itself writes them: translated, they have Keras' own shapes and parameters."""

import json
from collections.abc import Callable
from typing import Any

import keras
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.experiment.losses import LOSSES, LossObject
from contract.experiment.optimizers import Optimizer
from contract.experiment.spec import Model, Training
from contract.keras_json.models import model_of
from contract.keras_json.training import training_of
from contract.sizing.trace import trace
from tests.acceptance.test_schedules_keras import SCHEDULES
from tests.strategies import INPUT_SHAPES, OPTIMIZERS, stacks
from worker.training.program.build import build, construct, plain_optimizer

pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
LOSSES_BY = {kind: name for name, kind in LOSSES.items()}
# Those with 96x96 pictures that build in seconds.
APPLICATIONS: dict[str, Callable[..., Any]] = {
    name: getattr(keras.applications, name)
    for name in (
        "DenseNet121",
        "EfficientNetB0",
        "InceptionV3",
        "MobileNet",
        "MobileNetV2",
        "NASNetMobile",
        "ResNet50",
        "VGG16",
        "Xception",
    )
}


def written(model: Any) -> Any:
    return json.loads(model.to_json())


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.data())
def test_what_we_build_is_read_as_it_was_said(data: st.DataObject) -> None:
    """Each of our layers, with the arguments that it can have, there and back."""
    input_shape = data.draw(INPUT_SHAPES)
    model = Model(layers=tuple(data.draw(stacks(input_shape))))
    built = build(model, input_shape).keras
    read = Model.model_validate(model_of(written(built)))
    said, found = (
        [f for f in trace(each, input_shape) if f.type != "Input"] for each in (model, read)
    )
    assert [(f.type, f.output_shape, f.parameters) for f in found] == [
        (f.type, f.output_shape, f.parameters) for f in said
    ]
    again = build(read, input_shape).keras
    assert [w.shape for w in again.weights] == [w.shape for w in built.weights]


@pytest.mark.parametrize("name", APPLICATIONS)
def test_known_architectures_have_their_parameters(name: str) -> None:
    model = APPLICATIONS[name](weights=None, input_shape=(96, 96, 3), classes=10)
    facts = trace(Model.model_validate(model_of(written(model))), (96, 96, 3))
    assert sum(f.parameters for f in facts) == model.count_params()
    trainable = sum(keras.ops.size(weight) for weight in model.trainable_weights)
    assert sum(f.trainable_parameters for f in facts) == trainable


def test_nested_shared_and_computed() -> None:
    given_ = keras.Input((8, 8, 3), name="picture")
    x = keras.layers.Rescaling(1 / 255)(given_)
    shared = keras.layers.Conv2D(3, 3, padding="same", activation="relu")
    x = shared(shared(x)) + x
    block = keras.Sequential([keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4)])
    x = block(x) * 2.0
    model = keras.Model(given_, keras.layers.Dense(2, activation="softmax")(x))
    model.compile(keras.optimizers.AdamW(1e-3), keras.losses.CategoricalCrossentropy())
    spec = Model.model_validate(model_of(written(model)))
    built = build(spec, (8, 8, 3)).keras
    assert built.count_params() == model.count_params()
    built.set_weights(model.get_weights())
    x = keras.random.uniform((5, 8, 8, 3), seed=1)
    assert keras.ops.all(keras.ops.isclose(built(x), model(x), atol=1e-6))
    compiled = training_of(model.get_compile_config())
    assert compiled["optimizer"]["type"] == "AdamW"
    assert compiled["loss"] == "categorical_crossentropy"


def compiled(optimizer: Any, loss: Any) -> Training:
    """What Keras writes of a model that was compiled with these, as our own."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(optimizer, loss)
    told = json.loads(json.dumps(model.get_compile_config()))
    return Training.model_validate({**training_of(told), "epochs": 1})


@settings(max_examples=60, derandomize=True, deadline=None)
@given(OPTIMIZERS)
def test_every_optimizer_that_was_compiled_with_comes_through(optimizer: Optimizer) -> None:
    assert compiled(plain_optimizer(optimizer), "mse").optimizer == optimizer


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_every_schedule_comes_through(schedule: dict[str, Any]) -> None:
    training = {"loss": "mse", "epochs": 1}
    ours = Training.model_validate(
        {"optimizer": {"type": "SGD", "learning_rate": schedule}, **training}
    )
    assert compiled(construct(ours.optimizer), "mse") == ours


@pytest.mark.parametrize("kind", LOSSES.values())
def test_every_loss_comes_through(kind: type[LossObject]) -> None:
    plain = kind.model_validate({"type": kind.__name__})
    names = {LOSSES_BY[kind], kind.__name__}
    for given_ in (*names, construct(plain)):
        assert compiled("adam", given_).loss == LOSSES_BY[kind]


def test_a_loss_with_arguments_comes_through() -> None:
    loss = keras.losses.Tversky(alpha=0.25, beta=0.75, axis=-1)
    expected = {"type": "Tversky", "alpha": 0.25, "beta": 0.75, "axis": -1}
    assert compiled("adam", loss).model_dump(mode="json")["loss"] == expected
