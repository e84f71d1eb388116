"""How sharply the loss bends at the initial weights, and how much its gradient scatters."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from diagnosis.signals import Curvature
from worker.training.preparation import standard
from worker.training.signals.probe import Array, Probe

# At most; seldom are more than ten needed to come within a hundredth.
PRODUCTS, _TOLERANCE = 16, 0.01
_GROUPS = 4
_SEED = 0


def curvature(probe: Probe, rows: int) -> Curvature:
    """Of some `rows` of the probe, from all over it, at the model's present weights."""
    some = slice(None, None, -(-len(probe) // rows))
    x, y = probe.x[some], probe.y[some]
    scaled = tf.constant(standard(x.numpy())(x.numpy()))
    return Curvature(
        lambda_max=largest_eigenvalue(probe, x, y),
        scaled_lambda_max=largest_eigenvalue(probe, scaled, y),
        gradient_noise=gradient_noise(probe, x, y),
    )


def largest_eigenvalue(probe: Probe, x: Any, y: Any) -> float:
    """The Hessian's eigenvalue of largest magnitude, with its sign, by power iteration.

    The estimate is the Rayleigh quotient of the last vector: 0 where the loss does not bend, NaN
    where a product is not finite.
    """
    generator = np.random.Generator(np.random.Philox(_SEED))
    vector = _normalized([generator.standard_normal(w.shape, np.float32) for w in probe.weights])
    estimate = math.nan
    for _ in range(PRODUCTS):
        product = probe.hessian_product(x, y, vector)
        before, estimate = estimate, _dot(product, vector)
        settled = abs(estimate - before) <= _TOLERANCE * abs(estimate)
        if settled or estimate == 0 or not math.isfinite(estimate):
            break
        vector = _normalized(product)
    return estimate


def gradient_noise(probe: Probe, x: Any, y: Any) -> float | None:
    """tr(Sigma) / |G|^2, from the gradients of all rows and of parts of them.

    Both are unbiased estimates from batches of two sizes (McCandlish et al. 2018, appendix A.1).
    None where there are too few rows, infinite where the noise hides the gradient.
    """
    part = int(x.shape[0]) // _GROUPS
    if part < 1:
        return None
    rows = part * _GROUPS
    whole = _square(probe.gradients(x[:rows], y[:rows]))
    parts = [slice(first, first + part) for first in range(0, rows, part)]
    small = sum(_square(probe.gradients(x[some], y[some])) for some in parts) / _GROUPS
    gradient = (rows * whole - part * small) / (rows - part)
    noise = (small - whole) / (1 / part - 1 / rows)
    return math.inf if gradient <= 0 else noise / gradient


def _normalized(vector: Sequence[Array]) -> list[Array]:
    norm = math.sqrt(_square(vector))
    return [np.divide(v, np.float32(norm)) for v in vector]


def _square(vector: Sequence[Array]) -> float:
    return _dot(vector, vector)


def _dot(one: Sequence[Array], other: Sequence[Array]) -> float:
    return sum(float(np.vdot(a, b)) for a, b in zip(one, other, strict=True))
