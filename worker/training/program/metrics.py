"""Metrics as sums over examples: added up in the graph, divided once at the end.

What they are called, and what they are good for, is in `contract.experiment.metrics`.

All sums are float64, so that their order of magnitude costs no digits.
"""

from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from contract.sizing.label_layout import Layout

Totals = np.ndarray[tuple[int], np.dtype[np.float64]]


class Tally(Protocol):
    """`width` sums per batch; `confusion_shape` is (true, predicted) classes, (0, 0) for none."""

    width: int
    confusion_shape: tuple[int, int]

    def of_batch(self, loss: Any, labels: Any, outputs: Any) -> Any:
        """Sums over one batch, a float64 tensor of shape (width,); `loss` is the batch's mean."""
        ...

    def confusion(self, labels: Any, outputs: Any) -> Any:
        """Counts of one batch, a float64 tensor of `confusion_shape`."""
        ...

    def summary(self, totals: Totals) -> dict[str, float]:
        """The metrics behind the sums of any number of batches."""
        ...


class ClassificationTally:
    """Loss and accuracy. `units` is the number of outputs, `threshold` parts two classes in one."""

    width = 3

    def __init__(self, threshold: float, layout: Layout, classes: int, units: int) -> None:
        self._layout = layout
        self._units = units
        self._threshold = threshold
        # Outputs beyond the classes share a last column of their own.
        self.confusion_shape = (classes, classes + (units > classes))

    def of_batch(self, loss: Any, labels: Any, outputs: Any) -> Any:
        """Loss times examples, examples, correct ones."""
        correct = tf.equal(self._true(labels), self._predicted(outputs))
        size = tf.cast(tf.size(correct), tf.float64)
        right = tf.reduce_sum(tf.cast(correct, tf.float64))
        return tf.stack([tf.cast(loss, tf.float64) * size, size, right])

    def confusion(self, labels: Any, outputs: Any) -> Any:
        """Counts of (true, predicted) classes, see `confusion_shape`."""
        true, predicted = self.confusion_shape
        rows = tf.one_hot(self._true(labels), true, dtype=tf.float64)
        named = tf.minimum(self._predicted(outputs), predicted - 1)
        return tf.matmul(rows, tf.one_hot(named, predicted, dtype=tf.float64), transpose_a=True)

    def summary(self, totals: Totals) -> dict[str, float]:
        """`loss` and `accuracy`, means over all examples."""
        loss, size, right = totals
        return {"loss": float(loss / size), "accuracy": float(right / size)}

    def _true(self, labels: Any) -> Any:
        if self._layout == "one_hot":
            return tf.argmax(labels, axis=-1)
        return tf.cast(tf.reshape(labels, [-1]), tf.int64)

    def _predicted(self, outputs: Any) -> Any:
        if self._units == 1:
            return tf.cast(outputs[:, 0] > self._threshold, tf.int64)
        return tf.argmax(outputs, axis=-1)


class MultiLabelTally:
    """Loss, and accuracy as `keras.metrics.BinaryAccuracy` has it: the mean over all labels.

    `exact_match` is the share of examples whose labels are all right. `threshold` parts yes from
    no.
    """

    width = 4
    confusion_shape = (0, 0)

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold

    def of_batch(self, loss: Any, labels: Any, outputs: Any) -> Any:
        """Loss times examples, examples, the sum of their accuracies, those that are all right."""
        correct = tf.equal(labels > 0.5, outputs > self._threshold)
        size = tf.cast(tf.shape(correct)[0], tf.float64)
        right = tf.cast(correct, tf.float64)
        accuracies, exact = tf.reduce_mean(right, axis=-1), tf.reduce_min(right, axis=-1)
        sums = [tf.reduce_sum(accuracies), tf.reduce_sum(exact)]
        return tf.stack([tf.cast(loss, tf.float64) * size, size, *sums])

    def confusion(self, labels: Any, outputs: Any) -> Any:
        """Empty: several labels may be right at once."""
        del labels, outputs
        return tf.zeros(self.confusion_shape, tf.float64)

    def summary(self, totals: Totals) -> dict[str, float]:
        """`loss`, `accuracy` and `exact_match`, means over all examples."""
        loss, right, exact = totals[[0, 2, 3]] / totals[1]
        return {"loss": float(loss), "accuracy": float(right), "exact_match": float(exact)}


class RegressionTally:
    """Loss, mean absolute error and R2 = 1 - sum(error^2) / sum((y - mean(y))^2).

    With several `targets`, both are those of each target, averaged with equal weights (as
    `sklearn.metrics.r2_score` does by default). `target_scale`, of one target or of each, takes
    errors back to the data's own units; R2 does not depend on it.
    """

    confusion_shape = (0, 0)

    def __init__(self, targets: int, target_scale: np.ndarray[Any, Any]) -> None:
        self.width = 2 + 4 * targets
        self._target_scale = target_scale

    def of_batch(self, loss: Any, labels: Any, outputs: Any) -> Any:
        """Loss times examples, examples; then sums of absolute errors, of squared errors, of
        targets and of their squares, each a number for every target."""
        targets = tf.cast(labels, tf.float64)
        errors = targets - tf.cast(outputs, tf.float64)
        size = tf.cast(tf.shape(errors)[0], tf.float64)
        rows = [tf.abs(errors), tf.square(errors), targets, tf.square(targets)]
        sums = [tf.reduce_sum(row, axis=0) for row in rows]
        return tf.concat([[tf.cast(loss, tf.float64) * size, size], *sums], axis=0)

    def confusion(self, labels: Any, outputs: Any) -> Any:
        """Empty: there are no classes."""
        del labels, outputs
        return tf.zeros(self.confusion_shape, tf.float64)

    def summary(self, totals: Totals) -> dict[str, float]:
        """`loss`, `mae` in the data's own units, and `r2`; NaN where a target does not vary."""
        loss, size = totals[:2]
        absolute, squared, targets, targets_squared = totals[2:].reshape(4, -1)
        spread = targets_squared - targets**2 / size
        r2 = 1 - squared / np.where(spread > 0, spread, np.nan)
        mae = absolute / size * self._target_scale
        return {"loss": float(loss / size), "mae": float(mae.mean()), "r2": float(r2.mean())}
