"""What the data alone says, from a seeded sample of it: NumPy, and nothing that is trained."""

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from contract.experiment.datasets import Facts
from diagnosis.run.signals import DataSignals
from worker.training.data.prepare import SELECTION_SEED, Part, Prepared, class_counts

Array = np.ndarray[Any, Any]
SAMPLE = 1000
_FEWER = 500
# In units of a standardised row's mean square: on MNIST and the embedded sets, all from 0.3 to 3
# come out alike.
_RIDGE = 1.0
# Of a kernel, which is 1 at no distance. From 0.1 to 1 the benchmark's regressions come out alike.
_KERNEL_RIDGE = 0.3
# Of an example's label: a baseline solves for each of its numbers, and for each class at a place.
_MOST_ANSWERS = 2**12


def data_signals(data: Prepared, facts: Facts, order: Array) -> DataSignals:
    """`order` is that in which the first epoch takes its examples."""
    return in_order(unordered(data, facts), data, facts, order)


def in_order(judged: DataSignals, data: Prepared, facts: Facts, order: Array) -> DataSignals:
    """What was `judged` without an order, with what `order` adds."""
    if facts.classes is None or facts.per_place:
        return judged
    return replace(judged, label_runs=_label_runs(data.train.y[order]))


def unordered(data: Prepared, facts: Facts) -> DataSignals:
    """All that is the same in whatever order a run takes its examples: 30 ms of it."""
    train, test = _sample(data.train), _sample(data.test)
    x, x_test = _columns(data, train), _columns(data, test)
    spread = x.std(axis=0)
    varies = spread > 0
    scaled, scaled_test = (
        (v[:, varies] - x[:, varies].mean(axis=0)) / spread[varies] for v in (x, x_test)
    )
    targets = train.y if facts.task == "regression" else None
    # The names of rows are no quantities: what is near or linear in them says nothing. Nor does it
    # say anything of inputs that they follow from themselves.
    judgeable = not data.whole and not data.copied and prod(facts.output_shape) <= _MOST_ANSWERS
    return DataSignals(
        input_mean_square=float(np.square(x).mean(dtype=np.float64)),
        input_min=float(x.min()),
        input_max=float(x.max()),
        column_spread=_column_spread(spread[varies]),
        constant_columns=float(1 - varies.mean()),
        target_min=None if targets is None else float(targets.min()),
        target_max=None if targets is None else float(targets.max()),
        target_mean=None if targets is None else float(targets.mean(dtype=np.float64)),
        target_mean_square=None if targets is None else float(np.square(targets).mean()),
        class_counts=class_counts(data.train.y, facts),
        label_runs=None,
        neighbour_agreement=(
            _agreement(scaled, train.y) if judgeable and facts.classes is not None else None
        ),
        linear_baseline=(
            _linear_baseline(scaled, train.y, scaled_test, test.y, facts) if judgeable else None
        ),
        test_shift=_shift(x, x_test),
        curved_baseline=(
            _curved_baseline(scaled, train.y, scaled_test, test.y, facts)
            if judgeable and targets is not None
            else None
        ),
    )


def _sample(part: Part) -> Part:
    if len(part.x) <= SAMPLE:
        return part
    generator = np.random.Generator(np.random.Philox(SELECTION_SEED))
    rows = np.sort(generator.choice(len(part.x), SAMPLE, replace=False))
    return Part(part.x[rows], part.y[rows])


def _columns(data: Prepared, part: Part) -> Array:
    return data.inputs(part.x).reshape(len(part.x), -1)


def _column_spread(spread: Array) -> float | None:
    if not len(spread):
        return None
    # Of two columns the smaller one: their mean is never less than half of the larger one.
    return float(spread.max() / np.quantile(spread, 0.5, method="lower"))


def _label_runs(labels: Array) -> float | None:
    return float((labels[1:] == labels[:-1]).mean()) if len(labels) > 1 else None


def _agreement(x: Array, labels: Array) -> float | None:
    """Nearest by Euclidean distance between standardised rows, the first ones of the sample."""
    x, labels = x[:_FEWER], labels[:_FEWER]
    if len(labels) < 2:
        return None
    distances = _distances(x, x)
    np.fill_diagonal(distances, np.inf)
    return float((labels[distances.argmin(axis=1)] == labels).mean())


def _linear_baseline(x: Array, y: Array, x_test: Array, y_test: Array, facts: Facts) -> float:
    """Of a ridge regression; on the classes one-hot."""
    values = (
        np.eye(facts.classes, dtype=np.float32)[y].reshape(len(y), -1)
        if facts.classes is not None
        else y.reshape(len(y), -1).astype(np.float32)
    )
    mean = values.mean(axis=0)
    predicted = x_test @ _ridge(x, values - mean) + mean
    if facts.classes is not None:
        named = predicted.reshape(*y_test.shape, facts.classes).argmax(axis=-1)
        return float((named == y_test).mean())
    truth = y_test.reshape(len(y_test), -1)
    if facts.task == "multi_label":
        return float(((predicted > 0.5) == (truth > 0.5)).mean())
    return _r2(predicted, truth, facts)


def _curved_baseline(x: Array, y: Array, x_test: Array, y_test: Array, facts: Facts) -> float:
    """Of a kernel ridge regression, exp(-|a - b|^2 / m), m the median squared distance."""
    x, values = x[:_FEWER], y[:_FEWER].reshape(len(y[:_FEWER]), -1).astype(np.float32)
    apart, apart_test = _distances(x, x), _distances(x_test, x)
    width = float(np.median(apart)) or 1.0
    kernel, mean = np.exp(-apart / width), values.mean(axis=0)
    kernel.flat[:: len(kernel) + 1] += _KERNEL_RIDGE
    predicted = np.exp(-apart_test / width) @ np.linalg.solve(kernel, values - mean) + mean
    return _r2(predicted, y_test.reshape(len(y_test), -1), facts)


def _distances(a: Array, b: Array) -> Array:
    """Squared, of all rows of `a` to all of `b`."""
    across = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * (a @ b.T)
    distances: Array = np.maximum(across, 0)
    return distances


def _r2(predicted: Array, truth: Array, facts: Facts) -> float:
    """The mean over the targets that vary, as in `RegressionTally`; NaN where none does."""
    if facts.label_shape:
        predicted, truth = predicted.reshape(-1, 1), truth.reshape(-1, 1)
    residual, total = (np.square(truth - p).sum(axis=0) for p in (predicted, truth.mean(axis=0)))
    varies = (truth.min(axis=0) != truth.max(axis=0)) & (total > 0)
    return float((1 - residual[varies] / total[varies]).mean()) if varies.any() else float("nan")


def _ridge(x: Array, values: Array) -> Array:
    """Weights; in the dual form where there are more columns than rows, for the smaller system."""
    rows, columns = x.shape
    gram = x.T @ x if columns <= rows else x @ x.T
    gram.flat[:: len(gram) + 1] += _RIDGE * columns
    if columns <= rows:
        return np.linalg.solve(gram, x.T @ values)
    weights: Array = x.T @ np.linalg.solve(gram, values)
    return weights


def _shift(x: Array, x_test: Array) -> float | None:
    """Deviations of both parts together: a column that hardly varies in one says little."""
    spread = np.concatenate([x, x_test]).std(axis=0)
    varies = spread > 0
    if not varies.any():
        return None
    shift = np.abs(x_test.mean(axis=0) - x.mean(axis=0))[varies] / spread[varies]
    return float(shift.max())
