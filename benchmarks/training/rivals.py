"""PyTorch and JAX loops, for the environment of requirements/rivals-loops.txt.

Each as its users write it for speed: PyTorch with batches sliced from tensors in memory, JAX with
an epoch as one compiled scan.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.training.way import Way
from benchmarks.training.workloads import WORKLOADS, Layers

Parameters = list[Any]


def _data(file: str) -> tuple[Any, Any]:
    with np.load(file) as stored:
        return stored["x_train"].astype(np.float32) / 255, stored["y_train"].astype(np.int64)


def torch_loop(workload: str, file: str) -> Callable[[], object]:
    import torch

    torch.set_num_threads(1)
    work, (x, y) = WORKLOADS[workload], map(torch.from_numpy, _data(file))
    model = torch.nn.Sequential(*_torch_layers(work.layers))
    model(x[: work.batch_size])  # lazy layers learn their sizes
    kind = {"SGD": torch.optim.SGD, "RMSprop": torch.optim.RMSprop, "Adam": torch.optim.Adam}
    rate = work.optimizer["learning_rate"]
    optimizer = kind[work.optimizer["type"]](model.parameters(), lr=rate)
    loss = torch.nn.CrossEntropyLoss()

    def train(epochs: int = work.epochs) -> None:
        for _ in range(epochs):
            order = torch.randperm(len(x))
            for rows in order.split(work.batch_size):
                optimizer.zero_grad()
                loss(model(x[rows]), y[rows]).backward()
                optimizer.step()

    train(1)
    return train


def _torch_layers(layers: Layers) -> Iterator[Any]:
    from torch import nn

    for layer in layers:
        match layer["type"]:
            case "Flatten":
                yield nn.Flatten()
            case "Dense":
                yield nn.LazyLinear(layer["units"])
            case "Dropout":
                yield nn.Dropout(layer["rate"])
            case "Reshape":
                yield nn.Unflatten(1, (1, 28))
            case "Conv2D":
                yield nn.LazyConv2d(layer["filters"], layer["kernel_size"])
            case "BatchNormalization":
                yield nn.LazyBatchNorm2d()
            case "MaxPooling2D":
                yield nn.MaxPool2d(2)
        if layer.get("activation") == "relu":
            yield nn.ReLU()


def jax_scan(workload: str, file: str) -> Callable[[], object]:
    import jax
    import jax.numpy as jnp

    work, (x, y) = WORKLOADS[workload], map(jnp.asarray, _data(file))
    weights = _jax_weights(work.layers)
    slots = [jnp.zeros((2, *weight.shape)) for weight in weights]
    full, rest = divmod(len(x), work.batch_size)
    generator = np.random.default_rng(0)

    def loss(weights: Parameters, rows: Any, key: Any) -> Any:
        scores = _jax_outputs(work.layers, weights, x[rows], key)
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), y[rows][:, None], 1).mean()

    def step(carry: Any, batch: Any) -> Any:
        weights, slots, number = carry
        gradients = jax.grad(loss)(weights, *batch)
        moved = [
            _moved(work.optimizer, *each, number)
            for each in zip(weights, gradients, slots, strict=True)
        ]
        return ([new for new, _ in moved], [slot for _, slot in moved], number + 1), None

    @jax.jit
    def epoch(carry: Any, order: Any, key: Any) -> Any:
        keys = jax.random.split(key, full + 1)
        batches = order[: len(x) - rest].reshape(full, -1)
        carry = jax.lax.scan(step, carry, (batches, keys[:full]))[0]
        # A scan's batches are of one size.
        return step(carry, (order[len(x) - rest :], keys[full]))[0] if rest else carry

    def train(epochs: int = work.epochs) -> None:
        carry = (weights, slots, jnp.ones(()))
        for number in range(epochs):
            order = jnp.asarray(generator.permutation(len(x)))
            carry = epoch(carry, order, jax.random.key(number))
        jax.block_until_ready(carry)

    train(1)
    return train


def _jax_weights(layers: Layers) -> Parameters:
    generator, weights, shape = np.random.default_rng(0), [], [28, 28]
    for layer in layers:
        match layer["type"]:
            case "Flatten":
                shape = [int(np.prod(shape))]
            case "Reshape":
                shape = layer["target_shape"]
            case "Dense":
                weights += [generator.normal(0, 0.05, (shape[0], layer["units"]))]
                weights += [np.zeros(layer["units"])]
                shape = [layer["units"]]
            case "Conv2D":
                weights += [generator.normal(0, 0.1, (3, 3, shape[2], layer["filters"]))]
                weights += [np.zeros(layer["filters"])]
                shape = [shape[0] - 2, shape[1] - 2, layer["filters"]]
            case "BatchNormalization":
                weights += [np.ones(shape[-1]), np.zeros(shape[-1])]
            case "MaxPooling2D":
                shape = [shape[0] // 2, shape[1] // 2, shape[2]]
    return [np.asarray(weight, np.float32) for weight in weights]


def _jax_outputs(layers: Layers, weights: Parameters, x: Any, key: Any) -> Any:
    import jax

    given = iter(weights)
    for number, layer in enumerate(layers):
        match layer["type"]:
            case "Flatten":
                x = x.reshape(len(x), -1)
            case "Reshape":
                x = x.reshape(len(x), *layer["target_shape"])
            case "Dense":
                x = x @ next(given) + next(given)
            case "Dropout":
                keep = jax.random.bernoulli(jax.random.fold_in(key, number), 0.8, x.shape)
                x = jax.numpy.where(keep, x / 0.8, 0)
            case "Conv2D":
                layout = ("NHWC", "HWIO", "NHWC")
                kernel = next(given)
                x = jax.lax.conv_general_dilated(
                    x, kernel, (1, 1), "VALID", dimension_numbers=layout
                )
                x = x + next(given)
            case "BatchNormalization":
                mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
                x = (x - mean) / jax.numpy.sqrt(variance + 1e-3) * next(given) + next(given)
            case "MaxPooling2D":
                window = (1, 2, 2, 1)
                x = jax.lax.reduce_window(x, -np.inf, jax.lax.max, window, window, "VALID")
        if layer.get("activation") == "relu":
            x = jax.nn.relu(x)
    return x


def _moved(optimizer: dict[str, Any], weight: Any, slope: Any, slot: Any, number: Any) -> Any:
    """The weight after a step of the optimizer, and its two slots."""
    import jax.numpy as jnp

    rate = optimizer["learning_rate"]
    if optimizer["type"] == "SGD":
        return weight - rate * slope, slot
    first, second = slot
    if optimizer["type"] == "RMSprop":
        second = 0.9 * second + 0.1 * slope**2
        return weight - rate * slope / (jnp.sqrt(second) + 1e-7), jnp.stack([first, second])
    first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
    scaled = rate * jnp.sqrt(1 - 0.999**number) / (1 - 0.9**number)
    return weight - scaled * first / (jnp.sqrt(second) + 1e-7), jnp.stack([first, second])


WAYS: dict[str, Way] = {"PyTorch loop": torch_loop, "JAX scan": jax_scan}
