"""What is trained, as plain data: the rivals' environment reads this too."""

from dataclasses import dataclass
from typing import Any

Layers = tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Made:
    """A dataset that is drawn: ids below `words`, or numbers around 0 where that is None."""

    shape: tuple[int, ...]
    classes: int
    examples: int
    words: int | None = None


@dataclass(frozen=True)
class Workload:
    """`layers` and `optimizer` as in an experiment; categorical cross-entropy.

    `dataset` is one of the catalogue, with pictures scaled to [0, 1], or one that is `Made`.
    """

    dataset: str | Made
    layers: Layers
    optimizer: dict[str, Any]
    batch_size: int
    epochs: int


def _dense(units: int) -> dict[str, Any]:
    return {"type": "Dense", "units": units, "activation": "relu"}


_FLATTEN: dict[str, Any] = {"type": "Flatten"}
_OUTPUT: dict[str, Any] = {"type": "Dense", "units": 10, "activation": "softmax"}
_DROPOUT: dict[str, Any] = {"type": "Dropout", "rate": 0.2}
_MLP: Layers = (_FLATTEN, _dense(100), _OUTPUT)
_SGD: dict[str, Any] = {"type": "SGD", "learning_rate": 0.01}


def _convolution(filters: int) -> Layers:
    return (
        {"type": "Conv2D", "filters": filters, "kernel_size": 3, "activation": "relu"},
        {"type": "BatchNormalization"},
        {"type": "MaxPooling2D"},
    )


def _residual(name: str, taken: str, filters: int) -> Layers:
    """Two convolutions and what goes round them; `taken` has as many channels."""
    same: dict[str, Any] = {"filters": filters, "kernel_size": 3, "padding": "same"}
    return (
        {"type": "Conv2D", "name": f"{name}a", "inputs": [taken], "activation": "relu", **same},
        {"type": "Conv2D", "name": f"{name}b", **same},
        {"type": "Add", "name": f"{name}s", "inputs": [f"{name}b", taken]},
        {"type": "Activation", "activation": "relu", "name": name},
    )


_ADAM: dict[str, Any] = {"type": "Adam", "learning_rate": 0.001}
_TWO: dict[str, Any] = {"type": "Dense", "units": 2, "activation": "softmax"}
# Each has a loop of its own among the rivals.
SEQUENCES = {
    "lstm": Workload(
        Made((80,), 2, 5_000, words=5_000),
        (
            {"type": "Embedding", "input_dim": 5_000, "output_dim": 32},
            {"type": "LSTM", "units": 32},
            _TWO,
        ),
        _ADAM,
        32,
        2,
    ),
    "conv1d": Workload(
        Made((128, 9), 6, 7_000),
        (
            {"type": "Conv1D", "filters": 64, "kernel_size": 3, "activation": "relu"},
            {"type": "Conv1D", "filters": 64, "kernel_size": 3, "activation": "relu"},
            {"type": "MaxPooling1D"},
            {"type": "Flatten"},
            {"type": "Dense", "units": 100, "activation": "relu"},
            {"type": "Dense", "units": 6, "activation": "softmax"},
        ),
        _ADAM,
        32,
        2,
    ),
    "resnet": Workload(
        Made((32, 32, 3), 10, 1_000),
        (
            {
                "type": "Conv2D",
                "name": "stem",
                "filters": 16,
                "kernel_size": 3,
                "padding": "same",
                "activation": "relu",
            },
            *_residual("one", "stem", 16),
            *_residual("two", "one", 16),
            *_residual("three", "two", 16),
            {"type": "GlobalAveragePooling2D"},
            _OUTPUT,
        ),
        _ADAM,
        32,
        2,
    ),
    "transformer": Workload(
        Made((64,), 2, 2_000, words=5_000),
        (
            {"type": "Embedding", "name": "words", "input_dim": 5_000, "output_dim": 32},
            {
                "type": "MultiHeadAttention",
                "name": "attention",
                "inputs": ["words", "words"],
                "num_heads": 2,
                "key_dim": 32,
            },
            {"type": "Add", "name": "seen", "inputs": ["words", "attention"]},
            {"type": "LayerNormalization", "name": "first", "epsilon": 1e-6},
            {"type": "Dense", "units": 32, "activation": "relu"},
            {"type": "Dense", "name": "thought", "units": 32},
            {"type": "Add", "inputs": ["first", "thought"]},
            {"type": "LayerNormalization", "epsilon": 1e-6},
            {"type": "GlobalAveragePooling1D"},
            {"type": "Dense", "units": 20, "activation": "relu"},
            _TWO,
        ),
        _ADAM,
        32,
        2,
    ),
}
WORKLOADS = SEQUENCES | {
    "question": Workload("mnist", _MLP, _SGD, 100, 15),
    "digits": Workload("digits", _MLP, _SGD, 100, 60),
    "reference": Workload(
        "mnist",
        (_FLATTEN, _dense(512), _DROPOUT, _dense(512), _DROPOUT, _OUTPUT),
        {"type": "RMSprop", "learning_rate": 0.001},
        128,
        2,
    ),
    "cnn": Workload(
        "mnist",
        (
            {"type": "Reshape", "target_shape": [28, 28, 1]},
            *_convolution(8),
            *_convolution(16),
            _FLATTEN,
            _OUTPUT,
        ),
        {"type": "Adam", "learning_rate": 0.001},
        100,
        1,
    ),
}
