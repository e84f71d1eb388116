"""How sharply the loss bends at the initial weights, and how much its gradient scatters."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from diagnosis.run.signals import Curvature
from worker.training.data.prepare import standard
from worker.training.signals.probe import Array, Probe

# At most; seldom are more than ten needed to come within a hundredth.
PRODUCTS, _TOLERANCE = 16, 0.01
_GROUPS = 4
_SEED = 0


def curvature(probe: Probe) -> Curvature:
    """Of the probe at the model's present weights."""
    x = probe.x.numpy()
    raw, vector = largest_eigenvalue(probe, probe.x)
    if probe.looks_up:  # scaled, they name other rows of an Embedding, or none
        return Curvature(raw, None, gradient_noise(probe))
    scaled = tf.constant(standard(x)(x))
    # The steepest direction is much the same for scaled inputs: a third of the products is saved.
    start = vector if math.isfinite(raw) else None
    return Curvature(
        lambda_max=raw,
        scaled_lambda_max=largest_eigenvalue(probe, scaled, start)[0],
        gradient_noise=gradient_noise(probe),
    )


def largest_eigenvalue(
    probe: Probe, x: Any, start: Sequence[Array] | None = None
) -> tuple[float, Sequence[Array]]:
    """The Hessian's eigenvalue of largest magnitude, with its sign, and its vector, of length 1.

    By power iteration from `start`, or from a random vector. The estimate is the Rayleigh quotient
    of the last vector: 0 where the loss does not bend, NaN where a product is not finite.
    """
    vector = _random(probe) if start is None else start
    estimate = math.nan
    for _ in range(PRODUCTS):
        product = probe.hessian_product(x, vector)
        before, estimate = estimate, _dot(product, vector)
        settled = abs(estimate - before) <= _TOLERANCE * abs(estimate)
        if settled or estimate == 0 or not math.isfinite(estimate):
            break
        vector = _normalized(product)
    return estimate, vector


def gradient_noise(probe: Probe) -> float | None:
    """tr(Sigma) / |G|^2, from the gradients of the probe and of its parts.

    Both are unbiased estimates from batches of two sizes (McCandlish et al. 2018, appendix A.1).
    None where the probe has too few rows, infinite where the noise hides the gradient.
    """
    part = len(probe) // _GROUPS
    if part < 1:
        return None
    whole = _square(probe.gradients_of(slice(0, part * _GROUPS)))
    parts = [_square(probe.gradients_of(slice(i * part, (i + 1) * part))) for i in range(_GROUPS)]
    small, rows = sum(parts) / _GROUPS, part * _GROUPS
    gradient = (rows * whole - part * small) / (rows - part)
    noise = (small - whole) / (1 / part - 1 / rows)
    return math.inf if gradient <= 0 else noise / gradient


def _random(probe: Probe) -> list[Array]:
    generator = np.random.Generator(np.random.Philox(_SEED))
    return _normalized([generator.standard_normal(w.shape, np.float32) for w in probe.weights])


def _normalized(vector: Sequence[Array]) -> list[Array]:
    norm = math.sqrt(_square(vector))
    return [np.divide(v, np.float32(norm)) for v in vector]


def _square(vector: Sequence[Array]) -> float:
    return _dot(vector, vector)


def _dot(one: Sequence[Array], other: Sequence[Array]) -> float:
    return sum(float(np.vdot(a, b)) for a, b in zip(one, other, strict=True))
