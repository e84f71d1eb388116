"""What every run of a task is measured by: sums over examples, and Keras' metrics beside them.

What they are called, and what they are good for, is in `contract.experiment.measured`.

Sums are added up in the graph and divided once at the end. All are float64, so that their order of
magnitude costs no digits.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from contract.experiment.measured import columns
from contract.sizing.label_layout import Layout
from worker.training.data.prepare import Affine

Array = np.ndarray[Any, Any]
Sums = np.ndarray[tuple[int], np.dtype[np.float64]]


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

    def summary(self, totals: Sums, varies: Array) -> dict[str, float]:
        """The metrics behind the sums of any number of batches; `varies` says which numbers of
        their labels are not the same in all."""
        ...


class ClassificationTally:
    """Loss and accuracy. `units` is the number of outputs, `threshold` parts two classes in one.

    `places`: an example has a class at each of several. The accuracy is the mean over all places
    then, but for those that a mask passes over; the loss stays a mean over examples of what
    batches have, as in Keras.
    """

    def __init__(
        self, threshold: float, layout: Layout, classes: int, units: int, *, places: bool = False
    ) -> None:
        self.width = 4 if places else 3
        self._places = places
        self._layout = layout
        self._units = units
        self._threshold = threshold
        # Outputs beyond the classes share a last column of their own.
        self.confusion_shape = (classes, classes + (units > classes))

    def of_batch(self, loss: Any, labels: Any, outputs: Any) -> Any:
        """Loss times examples, examples, correct answers; and all answers, where there are
        places."""
        correct = tf.equal(self._true(labels), self._predicted(outputs))
        if self._places:
            counted = _counted(outputs, outputs[..., 0])
            size = tf.cast(tf.shape(outputs)[0], tf.float64)
            right = tf.reduce_sum(tf.cast(correct, tf.float64) * counted)
            sums = [tf.cast(loss, tf.float64) * size, size, right, tf.reduce_sum(counted)]
            return tf.stack(sums)
        size = tf.cast(tf.size(correct), tf.float64)
        right = tf.reduce_sum(tf.cast(correct, tf.float64))
        return tf.stack([tf.cast(loss, tf.float64) * size, size, right])

    def confusion(self, labels: Any, outputs: Any) -> Any:
        """Counts of (true, predicted) classes, see `confusion_shape`."""
        true, predicted = self.confusion_shape
        rows = tf.one_hot(self._true(labels), true, dtype=tf.float64)
        if self._places:
            rows *= _counted(outputs, outputs[..., 0])[:, tf.newaxis]
        named = tf.minimum(self._predicted(outputs), predicted - 1)
        return tf.matmul(rows, tf.one_hot(named, predicted, dtype=tf.float64), transpose_a=True)

    def summary(self, totals: Sums, varies: Array) -> dict[str, float]:
        """`loss`, the mean over all examples, and `accuracy`, that over all answers."""
        del varies
        loss, size, right = totals[:3]
        answers = totals[3] if self._places else size
        return {"loss": float(loss / size), "accuracy": float(right / answers)}

    def _true(self, labels: Any) -> Any:
        if self._layout == "one_hot":
            return tf.reshape(tf.argmax(labels, axis=-1), [-1])
        return tf.cast(tf.reshape(labels, [-1]), tf.int64)

    def _predicted(self, outputs: Any) -> Any:
        if self._units == 1:
            return tf.cast(tf.reshape(outputs, [-1]) > self._threshold, tf.int64)
        return tf.reshape(tf.argmax(outputs, axis=-1), [-1])


def _counted(outputs: Any, like: Any) -> Any:
    """For each number of `like` 1, or 0 where the mask of `outputs` passes over it; flat."""
    mask = getattr(outputs, "_keras_mask", None)
    if mask is None:
        return tf.ones(tf.size(like), tf.float64)
    mask = tf.cast(mask, tf.float64)[(..., *[tf.newaxis] * (like.shape.rank - mask.shape.rank))]
    return tf.reshape(tf.broadcast_to(mask, tf.shape(like)), [-1])


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

    def summary(self, totals: Sums, varies: Array) -> dict[str, float]:
        """`loss`, `accuracy` and `exact_match`, means over all examples."""
        del varies
        loss, right, exact = totals[[0, 2, 3]] / totals[1]
        return {"loss": float(loss), "accuracy": float(right), "exact_match": float(exact)}


class RegressionTally:
    """Loss, mean absolute error and R2 = 1 - sum(error^2) / sum((y - mean(y))^2).

    With several `targets`, both are those of each target, averaged with equal weights (as
    `sklearn.metrics.r2_score` does by default). `target_scale`, of one target or of each, takes
    errors back to the data's own units; R2 does not depend on it.

    `places`: labels may have any shape, and all their numbers are of one target, but for those that
    a mask passes over.
    """

    confusion_shape = (0, 0)

    def __init__(
        self, targets: int, target_scale: np.ndarray[Any, Any], *, places: bool = False
    ) -> None:
        self.width = 7 if places else 2 + 4 * targets
        self._places = places
        self._target_scale = target_scale

    def of_batch(self, loss: Any, labels: Any, outputs: Any) -> Any:
        """Loss times examples, examples; where there are places, how many numbers; then sums of
        absolute errors, of squared errors, of targets and of their squares, each a number for every
        target."""
        targets = tf.cast(labels, tf.float64)
        errors = targets - tf.cast(outputs, tf.float64)
        size = tf.cast(tf.shape(errors)[0], tf.float64)
        rows = [tf.abs(errors), tf.square(errors), targets, tf.square(targets)]
        if self._places:
            counted = _counted(outputs, outputs)
            rows = [tf.ones_like(errors), *rows]
            sums = [tf.reduce_sum(tf.reshape(row, [-1]) * counted) for row in rows]
            return tf.stack([tf.cast(loss, tf.float64) * size, size, *sums])
        sums = [tf.reduce_sum(row, axis=0) for row in rows]
        return tf.concat([[tf.cast(loss, tf.float64) * size, size], *sums], axis=0)

    def confusion(self, labels: Any, outputs: Any) -> Any:
        """Empty: there are no classes."""
        del labels, outputs
        return tf.zeros(self.confusion_shape, tf.float64)

    def summary(self, totals: Sums, varies: Array) -> dict[str, float]:
        """`loss`, `mae` in the data's own units, and `r2` of the targets that vary, if any do.

        A target is left out, too, that varies by less than the sums can tell.
        """
        loss, size = totals[:2]
        numbers = totals[2] if self._places else size
        absolute, squared, targets, targets_squared = totals[2 + self._places :].reshape(4, -1)
        mae = absolute / numbers * self._target_scale
        found = {"loss": float(loss / size), "mae": float(mae.mean())}
        spread = targets_squared - targets**2 / numbers
        told = ~(spread <= 0)  # NaN stays in
        if not self._places:
            told &= varies
        if not told.any():
            return found
        return {**found, "r2": float((1 - squared[told] / spread[told]).mean())}


class KerasMetrics:
    """Keras' own metrics. Their state goes in and out with each batch: none that they keep counts.

    `metrics` are by the names that they are called by; a batch of one example has `labels` and
    `outputs`. `targets` takes quantities back to the data's own units.
    """

    def __init__(
        self, metrics: Mapping[str, Any], labels: Any, outputs: Any, targets: Affine | None
    ) -> None:
        self._metrics = metrics
        self._targets = targets
        for metric in metrics.values():
            metric.update_state(labels, outputs)  # some make their variables with a first batch
        sizes = [len(metric.variables) for metric in metrics.values()]
        self._places = [slice(*ends) for ends in pairwise(np.cumsum([0, *sizes]))]

    def start(self) -> tuple[Any, ...]:
        """The states of all metrics, one tensor after the other, before any batch."""
        variables = [each for metric in self._metrics.values() for each in metric.variables]
        return tuple(tf.zeros(variable.shape, variable.dtype) for variable in variables)

    def after(self, states: Sequence[Any], labels: Any, outputs: Any) -> tuple[Any, ...]:
        """The states after one batch more."""
        if self._targets is not None:
            labels, outputs = self._own_units(labels), self._own_units(outputs)
        found = (
            new
            for metric, place in zip(self._metrics.values(), self._places, strict=True)
            for new in metric.stateless_update_state(list(states[place]), labels, outputs)
        )
        return tuple(
            tf.ensure_shape(new, old.shape) for new, old in zip(found, states, strict=True)
        )

    def summary(self, states: Sequence[Any]) -> dict[str, float]:
        """What they come to; a metric that gives a list has a name for each number."""
        found: dict[str, float] = {}
        for (name, metric), place in zip(self._metrics.items(), self._places, strict=True):
            # Of a list of counts `stateless_result` gives those of the variables instead.
            for variable, state in zip(metric.variables, states[place], strict=True):
                variable.assign(state)
            numbers = np.ravel(metric.result()).tolist()
            names = columns(name, len(numbers) if len(numbers) > 1 else None)
            found |= zip(names, numbers, strict=True)
        return found

    def _own_units(self, values: Any) -> Any:
        assert self._targets is not None
        return values * self._targets.scale + self._targets.offset


# The sums of a task, then the states of Keras' metrics.
Totals = tuple[Any, ...]


class Measures:
    """All that a run is measured by."""

    def __init__(self, tally: Tally, chosen: KerasMetrics) -> None:
        self._tally = tally
        self._chosen = chosen

    def start(self) -> Totals:
        """Before any batch."""
        return tf.zeros(self._tally.width, tf.float64), *self._chosen.start()

    def no_confusion(self) -> Any:
        """Counts before any batch."""
        return tf.zeros(self._tally.confusion_shape, tf.float64)

    def after(self, totals: Totals, loss: Any, labels: Any, outputs: Any) -> Totals:
        """`totals` after one batch more; `loss` is its mean."""
        sums, *states = totals
        sums += self._tally.of_batch(loss, labels, outputs)
        return sums, *self._chosen.after(states, labels, outputs)

    def confusion(self, labels: Any, outputs: Any) -> Any:
        """Counts of one batch (see Tally)."""
        return self._tally.confusion(labels, outputs)

    def summary(self, totals: Totals, varies: Array) -> dict[str, float]:
        """All metrics of the examples behind `totals`, of whose labels those numbers vary."""
        sums, *states = totals
        return {**self._tally.summary(sums.numpy(), varies), **self._chosen.summary(states)}
