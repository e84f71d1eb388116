"""A name that is refused: which one was meant, and what would be taken in its place."""

import json
import re
from typing import Any

import pytest

from contract.experiment.base import Part, kinds
from contract.experiment.left_out import LEFT_OUT
from contract.experiment.nearest import example_of
from tests.unit.api.http.test_problems import faults, with_

LAYER, OPTIMIZER, LOSS = ("model", "layers", 7), ("training", "optimizer"), ("training", "loss")
RATE = (*OPTIMIZER, "learning_rate")
INITIALIZER, REGULARIZER = (*LAYER, "kernel_initializer"), (*LAYER, "kernel_regularizer")
CONSTRAINT, SCALING = (*LAYER, "kernel_constraint"), ("dataset", "scaling")
TYPES = {
    LAYER: {
        "conv2d": "Conv2D", "lstm": "LSTM", "BatchNorm": "BatchNormalization", "bn":
        "BatchNormalization", "maxpool": "MaxPooling2D", "MaxPool2d": "MaxPooling2D", "dense":
        "Dense", "linear layer": "Dense", "Linear": "Dense", "fc": "Dense", "tanh": "Activation",
        "Sigmoid": "Activation", "Conv": "Conv2D", "drop_out": "Dropout", "globalavgpool":
        "GlobalAveragePooling2D", "layer_norm": "LayerNormalization", "gru": "GRU", "relu": "ReLU",
        "softmax": "Softmax", "concat": "Concatenate", "flaten": "Flatten", "embed": "Embedding",
        "MHA": "MultiHeadAttention", "biLSTM": "Bidirectional",
    },
    OPTIMIZER: {
        "adam": "Adam", "ADAM": "Adam", "sgd": "SGD", "rmsprop": "RMSprop", "rms_prop": "RMSprop",
        "adam_w": "AdamW", "momentum": "SGD", "AdaGrad": "Adagrad", "nadam": "Nadam", "Adamm":
        "Adam", "gradient descent": "SGD",
    },
    RATE: {
        "cosine": "CosineDecay", "cosine_decay": "CosineDecay", "step": "PiecewiseConstantDecay",
        "exponential": "ExponentialDecay", "warm_restarts": "CosineDecayRestarts",
    },
    LOSS: {"mse": "MeanSquaredError", "crossentropy": "CategoricalCrossentropy"},
    REGULARIZER: {"l2": "L2", "ridge": "L2", "elastic_net": "L1L2"},
    CONSTRAINT: {"max_norm": "MaxNorm", "nonneg": "NonNeg"},
    INITIALIZER: {"xavier": "GlorotUniform", "he_normal": "HeNormal"},
}  # fmt: skip
NAMES: dict[tuple[Any, ...], dict[str, str]] = {
    OPTIMIZER: {"adm": "adam", "gradient_descent": "sgd", "rms": "rmsprop", "adam-w": "adamw"},
    LOSS: {
        "categorical_cross_entropy": "categorical_crossentropy", "cross_entropy":
        "categorical_crossentropy", "softmax_cross_entropy": "categorical_crossentropy", "cce":
        "categorical_crossentropy", "BCEWithLogitsLoss": "binary_crossentropy", "focal":
        "categorical_focal_crossentropy", "MSELoss": "mean_squared_error", "smooth_l1": "huber",
        "kl": "kl_divergence", "iou": "dice",
    },
    INITIALIZER: {
        "xavier": "glorot_uniform", "he": "he_normal", "kaiming_normal": "he_normal", "Glorot":
        "glorot_uniform", "eye": "identity", "He-Uniform": "he_uniform",
    },
    REGULARIZER: {"l_2": "l2", "lasso": "l1", "weight_decay": "l2"},
    CONSTRAINT: {"positive": "non_neg", "maxnorm": "max_norm"},
    (*LAYER, "activation"): {"ReLU": "relu", "logistic": "sigmoid", "leaky": "leaky_relu"},
    SCALING: {"minmax": "unit", "[0, 1]": "unit", "z-score": "standard", "standardize": "standard"},
    ("dataset", "name"): {"fashion-mnist": "fashion_mnist", "cifar-10": "cifar10", "Iris": "iris"},
    ("device",): {"cuda": "gpu", "GPU": "gpu"},
    ("model", "dtype_policy"): {"fp16": "mixed_float16", "bfloat16": "mixed_bfloat16"},
}  # fmt: skip


def cases(table: dict[tuple[Any, ...], dict[str, str]]) -> list[tuple[tuple[Any, ...], str, str]]:
    return [(path, name, meant) for path, names in table.items() for name, meant in names.items()]


@pytest.mark.parametrize(("path", "given", "meant"), cases(TYPES))
def test_a_type_that_is_meant_is_shown_as_it_would_be_taken(
    path: tuple[Any, ...], given: str, meant: str
) -> None:
    (fault,) = faults(with_(path, {"type": given}))
    shown = re.search(r"did you mean (\w+)\? (\{.*\}) would be taken$", fault.detail)
    assert shown is not None, fault.detail
    assert shown[1] == meant
    assert faults(with_(path, json.loads(shown[2]))) == []


@pytest.mark.parametrize(("path", "given", "meant"), cases(NAMES))
def test_a_name_that_is_meant_would_be_taken(path: tuple[Any, ...], given: str, meant: str) -> None:
    (fault,) = faults(with_(path, given))
    assert fault.detail.endswith(f": did you mean {meant}?")
    assert faults(with_(path, meant)) == []


@pytest.mark.parametrize(
    ("path", "given", "example"),
    [
        (LAYER, "dense", '{"type": "Dense", "units": 64}'),
        (LAYER, "no such thing", '{"type": "Dense", "units": 64}'),
        (RATE, "cosine", '{"type": "CosineDecay", "initial_learning_rate": 0.01, "decay_steps"'),
    ],
)
def test_a_name_where_an_object_belongs(path: tuple[Any, ...], given: str, example: str) -> None:
    (fault,) = faults(with_(path, given))
    assert example in fault.detail


def test_an_activation_that_is_no_layer_is_applied_by_one() -> None:
    (fault,) = faults(with_(LAYER, {"type": "GELU"}))
    assert '{"type": "Activation", "activation": "gelu"} would be taken' in fault.detail


def test_what_means_nothing_is_answered_with_an_example_alone() -> None:
    (fault,) = faults(with_(LAYER, {"type": "Frobnicate"}))
    assert fault.detail.endswith(
        'received "Frobnicate": {"type": "Dense", "units": 64} would be taken'
    )
    (fault,) = faults(with_(LOSS, "frobnicate"))
    assert fault.detail.endswith('received "frobnicate"')


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        (LAYER, {"type": "Lambda"}, ("layers", "Lambda")),
        (OPTIMIZER, {"type": "LossScaleOptimizer"}, ("optimizers", "LossScaleOptimizer")),
        (OPTIMIZER, "multioptimizer", ("optimizers", "MultiOptimizer")),
        (LOSS, "ctc", ("losses", "CTC")),
        (("training", "metrics"), ["Mean"], ("metrics", "Mean")),
        (("training", "metrics"), [{"type": "Accuracy"}], ("metrics", "Accuracy")),
        ((*LAYER, "activation"), "glu", ("activations", "glu")),
    ],
)
def test_what_is_left_out_is_refused_with_its_reason(
    path: tuple[Any, ...], value: Any, name: tuple[str, str]
) -> None:
    (fault,) = faults(with_(path, value))
    assert fault.detail.endswith(f": Keras has it, but {LEFT_OUT[name[0]][name[1]]}")


def test_a_circle_is_no_loss_of_a_dataset() -> None:
    (fault,) = faults(with_(("dataset", "name"), "circle"))
    assert fault.detail.endswith("did you mean circles?")


@pytest.mark.parametrize("kind", [kind for kind in dict.fromkeys(kinds(Part)) if kind.namespace])
def test_every_part_has_an_example_that_would_be_taken(kind: type[Part]) -> None:
    if not getattr(kind, "__abstractmethods__", None):
        assert kind.model_validate(example_of(kind)).model_dump()["type"] == kind.__name__
