"""Datasets that are made from a seed: any number of examples, on any machine the same."""

from typing import Any

import numpy as np
from sklearn import datasets as sklearn_datasets

from contract.experiment.datasets import Dataset, Facts

Array = np.ndarray[Any, Any]
DEFAULT_NOISE = 0.1
# Of `addition`, in the order of their numbers.
CHARACTERS = " +0123456789"
# The squares of a film, and half of a square's side as a share of the picture's.
_FEWEST, _MOST, _SMALLEST, _LARGEST = 3, 7, 1 / 20, 1 / 10


def generate(dataset: Dataset, facts: Facts) -> tuple[Array, Array]:
    """Inputs and labels of all examples; `facts` are those that the options of `dataset` make."""
    samples = dataset.samples or facts.train_examples + facts.test_examples
    noise = DEFAULT_NOISE if dataset.noise is None else dataset.noise
    if dataset.name == "addition":
        return _addition(samples, dataset.seed or 0, facts)
    if dataset.name == "moving_squares":
        return _moving_squares(samples, noise, dataset.seed or 0, facts)
    return _clouds(dataset.name, samples, noise, dataset.seed or 0)


def _clouds(name: str, samples: int, noise: float, seed: int) -> tuple[Array, Array]:
    """`noise` is the standard deviation around the rings and half circles of radius 1; for blobs,
    whose centres lie within 10 of the origin, a tenth of it.
    """
    if name == "circles":
        x, y = sklearn_datasets.make_circles(samples, noise=noise, factor=0.5, random_state=seed)
    elif name == "moons":
        x, y = sklearn_datasets.make_moons(samples, noise=noise, random_state=seed)
    else:
        assert name == "blobs"  # another one needs a line of its own here
        x, y = sklearn_datasets.make_blobs(samples, cluster_std=10 * noise, random_state=seed)
    return x.astype(np.float32), y


def _addition(samples: int, seed: int, facts: Facts) -> tuple[Array, Array]:
    """Questions of which none comes twice, nor with its numbers the other way round."""
    (answer,) = facts.label_shape
    one, other = _pairs(samples, answer - 1, np.random.Generator(np.random.Philox(seed))).T
    question = np.char.add(np.char.add(one.astype(str), "+"), other.astype(str))
    x, y = _characters(question, facts.shape[0]), _characters((one + other).astype(str), answer)
    return (np.eye(len(CHARACTERS), dtype=np.uint8)[x] if len(facts.shape) > 1 else x), y


def _pairs(samples: int, digits: int, generator: np.random.Generator) -> Array:
    """(samples, 2), as many numbers of each length, as long as there are enough of the short."""
    found, most = (
        np.empty((0, 2), np.int64),
        10 ** generator.integers(1, digits + 1, (2 * samples, 2)),
    )
    while len(found) < samples:
        found = np.concatenate([found, generator.integers(0, most, (2 * samples, 2))])
        keys = found.min(axis=1) * 10**digits + found.max(axis=1)
        found = found[np.sort(np.unique(keys, return_index=True)[1])]
        most = np.full_like(most, 10**digits)
    return found[:samples]


def _characters(texts: Array, length: int) -> Array:
    """(n,) texts to (n, length) numbers of characters, uint8; blanks at the end."""
    codes = np.char.ljust(texts, length).astype(f"U{length}").view(np.uint32)
    number = np.zeros(128, np.uint8)
    number[[ord(character) for character in CHARACTERS]] = range(len(CHARACTERS))
    return number[codes].reshape(len(texts), length)


def _moving_squares(samples: int, noise: float, seed: int, facts: Facts) -> tuple[Array, Array]:
    """Squares go one picture's step along each axis, or none, and out of sight at the edge.

    `noise` is the standard deviation of what is added to the inputs, which stay within 0 and 1.
    """
    frames, side = facts.shape[:2]
    generator = np.random.Generator(np.random.Philox(seed))
    films = np.zeros((samples, frames + 1, side, side), np.bool_)
    squares = generator.integers(_FEWEST, _MOST + 1, samples)
    for square in range(_MOST):
        half = generator.integers(round(side * _SMALLEST), round(side * _LARGEST) + 1, samples)
        rows, columns = (_covered(half, frames + 1, side, generator) for _ in range(2))
        there = (squares > square)[:, None, None, None]
        films |= there & rows[..., None] & columns[:, :, None]
    x, y = (part[..., None].astype(np.float32) for part in (films[:, :-1], films[:, 1:]))
    x += np.float32(noise) * generator.standard_normal(x.shape, np.float32)
    return x.clip(0, 1), y


def _covered(half: Array, frames: int, side: int, generator: np.random.Generator) -> Array:
    """Which of the `side` places along an axis the squares cover, (n, frames, side)."""
    start = generator.integers(0, side, len(half))
    step = generator.integers(-1, 2, len(half))
    middle = start[:, None] + step[:, None] * np.arange(frames)
    covered: Array = np.abs(np.arange(side) - middle[..., None]) <= half[:, None, None]
    return covered
