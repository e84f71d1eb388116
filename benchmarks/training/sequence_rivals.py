"""PyTorch and JAX loops for the models of `workloads.SEQUENCES`, a module and a function each.

As their users write them for speed: PyTorch's own fused LSTM and attention, and in JAX an epoch as
one compiled scan. Their weights begin elsewhere than Keras', which costs no time.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.training.way import Way
from benchmarks.training.workloads import SEQUENCES, Made

Parameters = dict[str, Any]


def _data(workload: str, file: str) -> tuple[Made, Any, Any]:
    made = SEQUENCES[workload].dataset
    assert isinstance(made, Made)
    with np.load(file) as stored:
        x, y = stored["x_train"], stored["y_train"].astype(np.int64)
    return made, x.astype(np.int64) if made.words else x, y


def torch_loop(workload: str, file: str) -> Callable[[], object]:
    import torch

    torch.set_num_threads(1)
    work, (made, x, y) = SEQUENCES[workload], _data(workload, file)
    examples, labels = torch.from_numpy(x), torch.from_numpy(y)
    model = _TORCH[workload](made.classes)
    model(examples[: work.batch_size])  # lazy layers learn their sizes
    optimizer = torch.optim.Adam(model.parameters(), lr=work.optimizer["learning_rate"])
    loss = torch.nn.CrossEntropyLoss()

    def train(epochs: int = work.epochs) -> None:
        for _ in range(epochs):
            for rows in torch.randperm(len(examples)).split(work.batch_size):
                optimizer.zero_grad()
                loss(model(examples[rows]), labels[rows]).backward()
                optimizer.step()

    train(1)
    return train


def _torch_lstm(classes: int) -> Any:
    from torch import nn

    class LSTM(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.lstm = nn.Embedding(5_000, 32), nn.LSTM(32, 32, batch_first=True)
            self.last = nn.Linear(32, classes)

        def forward(self, x: Any) -> Any:
            return self.last(self.lstm(self.words(x))[0][:, -1])

    return LSTM()


def _torch_conv1d(classes: int) -> Any:
    from torch import nn

    class Conv1D(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv1d(9, 64, 3), nn.Conv1d(64, 64, 3)
            self.hidden, self.last = nn.LazyLinear(100), nn.Linear(100, classes)

        def forward(self, x: Any) -> Any:
            x = self.second(self.first(x.transpose(1, 2)).relu()).relu()
            x = nn.functional.max_pool1d(x, 2).flatten(1)
            return self.last(self.hidden(x).relu())

    return Conv1D()


def _torch_resnet(classes: int) -> Any:
    from torch import nn

    class ResNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            sizes = [3, *[16] * 7]
            self.convolutions = nn.ModuleList(
                nn.Conv2d(taken, given, 3, padding=1) for taken, given in pairwise(sizes)
            )
            self.last = nn.Linear(16, classes)

        def forward(self, x: Any) -> Any:
            stem, *rest = self.convolutions
            x = stem(x.permute(0, 3, 1, 2)).relu()
            for first, second in zip(rest[::2], rest[1::2], strict=True):
                x = (second(first(x).relu()) + x).relu()
            return self.last(x.mean((2, 3)))

    return ResNet()


def _torch_transformer(classes: int) -> Any:
    from torch import nn

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(5_000, 32)
            self.query, self.key, self.value = (nn.Linear(32, 64) for _ in range(3))
            self.merged = nn.Linear(64, 32)
            self.norms = nn.ModuleList(nn.LayerNorm(32, eps=1e-6) for _ in range(2))
            self.wide, self.thought = nn.Linear(32, 32), nn.Linear(32, 32)
            self.hidden, self.last = nn.Linear(32, 20), nn.Linear(20, classes)

        def forward(self, x: Any) -> Any:
            x = self.words(x)
            heads = (
                part(x).view(*x.shape[:2], 2, 32).transpose(1, 2)
                for part in (self.query, self.key, self.value)
            )
            seen = nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
            x = self.norms[0](x + self.merged(seen))
            x = self.norms[1](x + self.thought(self.wide(x).relu()))
            return self.last(self.hidden(x.mean(1)).relu())

    return Transformer()


def jax_scan(workload: str, file: str) -> Callable[[], object]:
    import jax
    import jax.numpy as jnp

    work, (made, x, y) = SEQUENCES[workload], _data(workload, file)
    examples, labels = jnp.asarray(x.astype(np.int32) if made.words else x), jnp.asarray(y)
    weights = {
        name: jnp.asarray(np.random.default_rng(0).normal(0, 0.05, shape), jnp.float32)
        for name, shape in _SHAPES[workload].items()
    }
    slots = {name: jnp.zeros((2, *weight.shape)) for name, weight in weights.items()}
    full, rest = divmod(len(x), work.batch_size)
    generator, rate = np.random.default_rng(0), work.optimizer["learning_rate"]

    def loss(weights: Parameters, rows: Any) -> Any:
        scores = _OUTPUTS[workload](weights, examples[rows])
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), labels[rows][:, None], 1).mean()

    def moved(weight: Any, slope: Any, slot: Any, number: Any) -> Any:
        first = 0.9 * slot[0] + 0.1 * slope
        second = 0.999 * slot[1] + 0.001 * slope**2
        scaled = rate * jnp.sqrt(1 - 0.999**number) / (1 - 0.9**number)
        return weight - scaled * first / (jnp.sqrt(second) + 1e-7), jnp.stack([first, second])

    def step(carry: Any, rows: Any) -> Any:
        weights, slots, number = carry
        slopes = jax.grad(loss)(weights, rows)
        new = {name: moved(weights[name], slopes[name], slots[name], number) for name in weights}
        weights = {name: weight for name, (weight, _) in new.items()}
        return (weights, {name: slot for name, (_, slot) in new.items()}, number + 1), None

    @jax.jit
    def epoch(carry: Any, order: Any) -> Any:
        carry = jax.lax.scan(step, carry, order[: len(x) - rest].reshape(full, -1))[0]
        # A scan's batches are of one size.
        return step(carry, order[len(x) - rest :])[0] if rest else carry

    def train(epochs: int = work.epochs) -> None:
        carry = (weights, slots, jnp.ones(()))
        for _ in range(epochs):
            carry = epoch(carry, jnp.asarray(generator.permutation(len(x))))
        jax.block_until_ready(carry)

    train(1)
    return train


def _lstm(weights: Parameters, x: Any) -> Any:
    import jax

    words = weights["words"][x].swapaxes(0, 1)
    # The products with the inputs of all steps at once, as cuDNN and Keras do it.
    given = words @ weights["kernel"] + weights["bias"]

    def step(carry: Any, taken: Any) -> Any:
        hidden, cell = carry
        let, forget, new, out = jax.numpy.split(taken + hidden @ weights["recurrent"], 4, axis=1)
        cell = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(let) * jax.numpy.tanh(new)
        return (jax.nn.sigmoid(out) * jax.numpy.tanh(cell), cell), None

    start = jax.numpy.zeros((x.shape[0], 32))
    (hidden, _), _ = jax.lax.scan(step, (start, start), given)
    return hidden @ weights["last"] + weights["last_bias"]


def _conv1d(weights: Parameters, x: Any) -> Any:
    import jax

    for name in ("first", "second"):
        x = jax.lax.conv_general_dilated(
            x, weights[name], (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC")
        )
        x = jax.nn.relu(x + weights[f"{name}_bias"])
    x = jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, 2, 1), (1, 2, 1), "VALID")
    x = jax.nn.relu(x.reshape(len(x), -1) @ weights["hidden"] + weights["hidden_bias"])
    return x @ weights["last"] + weights["last_bias"]


def _resnet(weights: Parameters, x: Any) -> Any:
    import jax

    def convolved(number: int, x: Any) -> Any:
        layout = ("NHWC", "HWIO", "NHWC")
        kernel = weights[f"kernel{number}"]
        x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout)
        return x + weights[f"bias{number}"]

    x = jax.nn.relu(convolved(0, x))
    for number in (1, 3, 5):
        x = jax.nn.relu(convolved(number + 1, jax.nn.relu(convolved(number, x))) + x)
    return x.mean((1, 2)) @ weights["last"] + weights["last_bias"]


def _transformer(weights: Parameters, x: Any) -> Any:
    import jax

    def dense(name: str, x: Any) -> Any:
        return x @ weights[name] + weights[f"{name}_bias"]

    def normed(name: str, x: Any) -> Any:
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        scaled = (x - mean) / jax.numpy.sqrt(variance + 1e-6)
        return scaled * (1 + weights[name]) + weights[f"{name}_bias"]

    x = weights["words"][x]
    query, key, value = (
        dense(name, x).reshape(*x.shape[:2], 2, 32) for name in ("query", "key", "value")
    )
    shares = jax.nn.softmax(jax.numpy.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(32))
    seen = jax.numpy.einsum("bhqk,bkhd->bqhd", shares, value).reshape(*x.shape[:2], 64)
    x = normed("norm1", x + dense("merged", seen))
    x = normed("norm2", x + dense("thought", jax.nn.relu(dense("wide", x))))
    return dense("last", jax.nn.relu(dense("hidden", x.mean(1))))


def _with_biases(**kernels: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {**kernels, **{f"{name}_bias": kernel[-1:] for name, kernel in kernels.items()}}


_TORCH: dict[str, Callable[[int], Any]] = {
    "lstm": _torch_lstm,
    "conv1d": _torch_conv1d,
    "resnet": _torch_resnet,
    "transformer": _torch_transformer,
}
_OUTPUTS = {"lstm": _lstm, "conv1d": _conv1d, "resnet": _resnet, "transformer": _transformer}
_SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "lstm": {
        "words": (5_000, 32), "kernel": (32, 128), "recurrent": (32, 128), "bias": (128,),
        **_with_biases(last=(32, 2)),
    },
    "conv1d": _with_biases(
        first=(3, 9, 64), second=(3, 64, 64), hidden=(62 * 64, 100), last=(100, 6)
    ),
    "resnet": {
        **{f"kernel{number}": (3, 3, 16 if number else 3, 16) for number in range(7)},
        **{f"bias{number}": (16,) for number in range(7)},
        **_with_biases(last=(16, 10)),
    },
    "transformer": {
        "words": (5_000, 32),
        **_with_biases(
            query=(32, 64), key=(32, 64), value=(32, 64), merged=(64, 32), norm1=(32,),
            norm2=(32,), wide=(32, 32), thought=(32, 32), hidden=(32, 20), last=(20, 2),
        ),
    },
}  # fmt: skip

WAYS: dict[str, Way] = {"PyTorch loop": torch_loop, "JAX scan": jax_scan}
