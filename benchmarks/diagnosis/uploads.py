"""Datasets of the benchmark's own, as a user would upload them. Loads no TensorFlow."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contract.datasets import Facts

Array = np.ndarray[Any, Any]

TRAIN, TEST = 800, 200


@dataclass(frozen=True)
class Uploaded:
    """An npz file as `worker.training.datasets` reads it, and its facts."""

    id: str
    facts: Facts
    file: Path


def _quadratic(random: np.random.Generator) -> tuple[Array, Array]:
    """Prices: six features, thousands, curved in two of them."""
    x = random.normal(size=(TRAIN + TEST, 6))
    y = 1500 + 400 * x[:, 0] ** 2 + 300 * x[:, 1] * x[:, 2] + 500 * x[:, 3]
    return x, y + 30 * random.normal(size=len(x))


def _gates(random: np.random.Generator) -> tuple[Array, Array]:
    """Exclusive or of two signs, among four features."""
    x = random.normal(size=(TRAIN + TEST, 4))
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


def _tags(random: np.random.Generator) -> tuple[Array, Array]:
    """Five labels, each of its own direction: an example has several or none."""
    x = random.normal(size=(TRAIN + TEST, 8))
    return x, (x @ random.normal(size=(8, 5)) > 0.5).astype(int)


def _sensors(random: np.random.Generator) -> tuple[Array, Array]:
    """Four classes in twelve features, clouds apart."""
    y = random.integers(0, 4, TRAIN + TEST)
    centres = 1.2 * random.normal(size=(4, 12))
    return centres[y] + random.normal(size=(len(y), 12)), y


def _shuffled(random: np.random.Generator) -> tuple[Array, Array]:
    """The sensors with their labels torn off."""
    x, y = _sensors(random)
    return x, random.permutation(y)


def _sorted(random: np.random.Generator) -> tuple[Array, Array]:
    """The sensors with the training part in the order of its labels."""
    x, y = _sensors(random)
    order = np.argsort(y[:TRAIN], kind="stable")
    return np.concatenate([x[:TRAIN][order], x[TRAIN:]]), np.concatenate(
        [y[:TRAIN][order], y[TRAIN:]]
    )


def _shifted(random: np.random.Generator) -> tuple[Array, Array]:
    """The sensors with a test part of another calibration."""
    x, y = _sensors(random)
    x[TRAIN:] = 0.4 * x[TRAIN:] + 4 * np.sign(random.normal(size=12))
    return x, y


def _rare(random: np.random.Generator) -> tuple[Array, Array]:
    """Two overlapping classes, of which one is 3 % of the examples."""
    y = (random.random(TRAIN + TEST) < 0.03).astype(int)
    return random.normal(size=(len(y), 6)) + 0.8 * y[:, None], y


def _textures(random: np.random.Generator) -> tuple[Array, Array]:
    """Pictures of 12x12 pixels, 0 to 255: stripes of three directions, at any phase."""
    y = random.integers(0, 3, TRAIN + TEST)
    rows, columns = np.mgrid[0:12, 0:12]
    phase = random.uniform(0, 2 * np.pi, len(y))[:, None, None]
    across = np.stack([rows, columns, rows + columns])[y]
    waves = np.sin(2 * np.pi * across / 4 + phase) + 0.5 * random.normal(size=(len(y), 12, 12))
    return np.clip(127 + 60 * waves, 0, 255).astype(np.uint8)[..., None], y


MAKERS: dict[str, tuple[str, Callable[[np.random.Generator], tuple[Array, Array]]]] = {
    "quadratic": ("regression", _quadratic),
    "gates": ("classification", _gates),
    "tags": ("multi_label", _tags),
    "sensors": ("classification", _sensors),
    "shuffled": ("classification", _shuffled),
    "sorted": ("classification", _sorted),
    "shifted": ("classification", _shifted),
    "rare": ("classification", _rare),
    "textures": ("classification", _textures),
}


def uploaded(name: str, folder: Path) -> Uploaded:
    """The set `name` of MAKERS, always the same; its file lies in `folder`."""
    task, make = MAKERS[name]
    random = np.random.Generator(np.random.Philox(sorted(MAKERS).index(name)))
    x, y = make(random)
    x = x if x.dtype == np.uint8 else x.astype(np.float32)
    y = y.astype(np.float32 if task == "regression" else np.int32)
    file = folder / f"{name}.npz"
    arrays = {"x_train": x[:TRAIN], "y_train": y[:TRAIN], "x_test": x[TRAIN:], "y_test": y[TRAIN:]}
    if not file.exists():
        np.savez(file, allow_pickle=False, **arrays)
    facts = Facts(
        task=task,  # type: ignore[arg-type]
        shape=x.shape[1:],
        classes=int(y.max()) + 1 if task == "classification" else None,
        train_examples=TRAIN,
        test_examples=TEST,
        value_range=(0, 255) if x.dtype == np.uint8 else (float(x.min()), float(x.max())),
        bytes_per_value=x.dtype.itemsize,
        source="upload",
        description=str(make.__doc__),
        targets=y.shape[1] if y.ndim == 2 else 1,
    )
    return Uploaded(f"ds_{sorted(MAKERS).index(name):026}", facts, file)
