"""Datasets of the benchmark's own: one for each thing that a fault needs."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

TRAIN, TEST = 800, 200


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


MAKERS = {
    "gates": ("classification", _gates),
    "quadratic": ("regression", _quadratic),
    "rare": ("classification", _rare),
    "sensors": ("classification", _sensors),
    "shifted": ("classification", _shifted),
    "shuffled": ("classification", _shuffled),
    "sorted": ("classification", _sorted),
    "tags": ("multi_label", _tags),
    "textures": ("classification", _textures),
}
