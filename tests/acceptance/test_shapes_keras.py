"""What contract/ says of a model without TensorFlow, against what Keras itself finds."""

import os
import subprocess
import sys
from math import prod

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from contract.experiment.datasets import Dataset, facts_of
from contract.experiment.layers.core import Dense
from contract.experiment.layers.layer import Layer, Shape
from contract.experiment.layers.recurrent import Bidirectional
from contract.experiment.layers.wrappers import SpectralNormalization, TimeDistributed
from contract.experiment.optimizers import Optimizer
from contract.experiment.spec import Experiment, Model, Training
from contract.sizing.cost import cost
from contract.sizing.trace import trace
from tests.strategies import (
    INPUT_SHAPES,
    OPTIMIZERS,
    attending,
    embedded,
    misfits,
    refusal,
    refusal_of,
    stacks,
)
from worker.training.program.build import build, construct

# Softmax over one unit is a fault to explain, not one to refuse; so is a mask that is lost.
pytestmark = [
    pytest.mark.filterwarnings("ignore:You are using a softmax over axis"),
    pytest.mark.filterwarnings("ignore:.*does not support masking:UserWarning"),
]
# Keras needs the same time for every example, and CI the same examples.
many = settings(
    max_examples=200,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


# An IndexError is Keras' answer to an axis that is not there.
REFUSALS = (ValueError, IndexError, tf.errors.InvalidArgumentError)


def train_once(model: keras.Model, input_shape: Shape) -> None:
    """A step forward and back: TensorFlow refuses some layers only when they run."""
    inputs = np.ones((2, *input_shape), np.float32)
    with tf.GradientTape() as tape:
        outputs = model(inputs, training=True)
    assert outputs.shape == (2, *model.output_shape[1:])
    tape.gradient(outputs, model.trainable_variables)


def counted(variables: list[keras.Variable]) -> int:
    return sum(prod(variable.shape) for variable in variables)


def compare(model: Model, input_shape: Shape) -> None:
    """Each layer's shape and parameters, and those of them that are trained."""
    facts = trace(model, input_shape)
    built = build(model, input_shape)
    train_once(built.keras, input_shape)
    found = [
        (layer.output.shape[1:], layer.count_params(), counted(layer.trainable_weights))
        for layer in built.layers.values()
    ]
    assert found == [
        (f.output_shape, f.parameters, f.trainable_parameters)
        for f in facts
        if f.index in built.layers
    ]


@many
@given(st.data())
def test_shapes_and_parameters_are_those_of_keras(data: st.DataObject) -> None:
    input_shape = data.draw(INPUT_SHAPES)
    compare(Model(layers=tuple(data.draw(stacks(input_shape)))), input_shape)


@settings(many, max_examples=60)
@given(embedded())
def test_what_is_embedded_has_the_shapes_of_keras(drawn: tuple[Shape, list[Layer]]) -> None:
    input_shape, stack = drawn
    compare(Model(layers=tuple(stack)), input_shape)


@settings(many, max_examples=100)
@given(attending())
def test_attention_is_that_of_keras(drawn: tuple[Shape, Model]) -> None:
    """Its shapes and parameters, and what is refused."""
    input_shape, model = drawn
    if refusal_of(model, input_shape) is None:
        compare(model, input_shape)
    else:
        with pytest.raises(REFUSALS):
            train_once(build(model, input_shape).keras, input_shape)


@many
@given(misfits())
def test_what_is_refused_keras_refuses(misfit: tuple[Shape, list[Layer]]) -> None:
    input_shape, stack = misfit
    assume(not runs_here(stack, input_shape))
    fitting = build(Model(layers=tuple(stack[:-1])), input_shape).keras
    train_once(fitting, input_shape)
    with pytest.raises(REFUSALS):
        train_once(build(Model(layers=tuple(stack)), input_shape).keras, input_shape)


def runs_here(stack: list[Layer], input_shape: Shape) -> bool:
    """Whether Keras may run what is refused: on some processors, outside of a graph, as something
    else, or until the process breaks."""
    refused = refusal(stack, input_shape)
    assert refused is not None
    layer, argument = stack[-1], refused.pointer.rpartition("/")[2]
    while isinstance(layer, TimeDistributed | SpectralNormalization | Bidirectional):
        layer = layer.layer
    match layer.type, argument:
        case "DepthwiseConv2D" | "SeparableConv2D", "strides":
            return True
        case "Conv3D" | "Conv3DTranspose" | "ConvLSTM3D", "strides":
            return True
        case "Conv1DTranspose" | "Conv2DTranspose" | "Conv3DTranspose", "dilation_rate":
            return True
        case _, "activation":
            return True
        # It says another shape than it gives.
        case "EinsumDense", "equation":
            return True
        # Pooling to a single point divides by 0 in TensorFlow, and the process ends.
        case kind, _:
            return kind.startswith("Adaptive")


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("DepthwiseConv2D(1, strides=(2, 1))", "equal length strides"),
        ("Conv2DTranspose(1, 2, dilation_rate=2)", "dilation rates"),
    ],
)
def test_what_is_not_to_be_had_everywhere(layer: str, said: str) -> None:
    """TensorFlow turns oneDNN, which has it, on by itself where the processor is new enough."""
    code = f"import keras, numpy as np\nkeras.layers.{layer}(np.ones((2, 4, 4, 1), np.float32))"
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert said in ended.stderr


@settings(many, max_examples=100)
@given(OPTIMIZERS)
def test_optimizers_keep_the_slots_of_keras(optimizer: Optimizer) -> None:
    training = Training(optimizer=optimizer, loss="mean_squared_error", epochs=1)
    model = Model(layers=(Dense(units=3),))
    spec = Experiment(name="slots", dataset=Dataset(name="iris"), model=model, training=training)
    kept = construct(optimizer)
    weights = build(model, (4,)).keras.trainable_variables
    kept.build(weights)
    # Keras counts steps and the like in scalars, however many weights there are.
    slots = counted([variable for variable in kept.variables if len(variable.shape)])
    told = cost(spec, facts_of("iris")).memory.weights
    if optimizer.type in ("Adafactor", "Muon"):  # by the shapes of the weights
        assert 4 * 2 * counted(weights) < 4 * (2 * counted(weights) + slots) <= told
    else:
        assert told == 4 * (2 * counted(weights) + slots)
