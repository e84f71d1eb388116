"""What is trained, as plain data: the rivals' environment reads this too."""

from dataclasses import dataclass
from typing import Any

Layers = tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Workload:
    """`layers` and `optimizer` as in an experiment; categorical cross-entropy, inputs in [0, 1]."""

    dataset: str
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


WORKLOADS = {
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
