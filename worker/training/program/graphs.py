"""Passes over examples that lie in memory, many steps to a graph call.

What `model.fit` does per step in Python (fetching, callbacks, metrics) costs a small model twice
its arithmetic: 15.1 s against 5 s for 15 epochs of MNIST with 100 hidden units.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from worker.training.data.prepare import Affine
from worker.training.program.metrics import Measures, Totals
from worker.training.program.steps import Losses, Steps

Array = np.ndarray[Any, Any]
CHUNK_SECONDS = 1.0
# From 100 to 1,000 examples evaluate equally fast; no layer's output takes more than the bytes.
EVALUATION_BATCH, EVALUATION_BYTES = 500, 2**26
# TensorFlow aborts the process over a tensor that does not begin at such an address.
ALIGNMENT = 64


@dataclass(frozen=True)
class Examples:
    """Tensors on the device: inputs not yet scaled, labels as the loss takes them.

    `varies` says which numbers of a label are not the same in all examples. `weights` are those of
    the examples in the loss of training; None where all count alike.
    """

    x: Any
    y: Any
    varies: Array
    weights: Any = None

    @classmethod
    def of(cls, x: Array, y: Array, weights: Array | None = None) -> "Examples":
        """Inputs (n, *shape), labels as the loss takes them and weights (n,), brought to the
        device."""
        inputs = _tensor(x)
        if inputs.dtype == tf.uint8 and "GPU" in inputs.device:
            # TensorFlow gathers no uint8 on a GPU; float16 holds 0 to 255 exactly as well.
            inputs = tf.cast(inputs, tf.float16)
        elif inputs.dtype == tf.int32 and "GPU" in inputs.device:
            inputs = tf.cast(inputs, tf.int64)  # TensorFlow keeps int32 out of a GPU's memory
        varies = np.asarray(y.min(axis=0) != y.max(axis=0))
        return cls(inputs, _tensor(y), varies, None if weights is None else _tensor(weights))

    def __len__(self) -> int:
        return int(self.x.shape[0])


def _tensor(array: Array) -> Any:
    """On the device; in the array's own memory where that is the processor's, and can be."""
    if array.ctypes.data % ALIGNMENT or not (array.flags.writeable and array.flags.c_contiguous):
        return tf.convert_to_tensor(array)
    return tf.identity(tf.experimental.dlpack.from_dlpack(array.__dlpack__()))


class Passes:
    """The graphs of one model: training steps and evaluation steps.

    `totals` are those (see Measures) of the training epoch under way, `evaluated` and `confusion`
    those of the evaluation under way. Each graph call takes them and gives them back, so where one
    ends and the next begins changes no bit. `largest_output` is the most numbers that a layer
    gives for one example.
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        loss: Any,
        measures: Measures,
        inputs: Affine,
        batch_size: int,
        jit_compile: bool,
        largest_output: int,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._loss = loss
        self._measures = measures
        self._inputs = inputs
        self._whole = model.inputs[0].dtype == "int32"
        self._batch_size = batch_size
        self._steps = Steps(self._train_step, measures.start(), batch_size, jit_compile)
        fitting = EVALUATION_BYTES // (4 * largest_output)
        self._evaluation_batch: int = max(1, min(EVALUATION_BATCH, fitting))
        self._start, self._no_confusion = measures.start(), measures.no_confusion()
        self.totals = self.evaluated = self._start
        self.confusion = self._no_confusion

    def trace(self, examples: Examples) -> None:
        """Build and optimize the graphs: to train on `examples`, and to evaluate any number."""
        parts = examples.x, examples.y, examples.weights
        self._steps.trace([part for part in parts if part is not None])
        x, y = (tf.TensorSpec([None, *t.shape[1:]], t.dtype) for t in (examples.x, examples.y))
        step, sums = tf.TensorSpec([], tf.int32), (self._start, self._no_confusion)
        graph = tf.function(self._evaluation_steps, autograph=False)
        self._evaluate = graph.get_concrete_function(x, y, step, step, *sums)
        # TensorFlow optimizes a graph when it is first called; no step is taken.
        self.evaluate(examples, 0, 0)

    def train(self, order: Any, first: int, last: int) -> Losses:
        """Train steps first..last-1 of the epoch that takes the examples in `order`."""
        losses, self.totals = self._steps(order, first, last, self.totals)
        return losses

    def evaluate(self, examples: Examples, first: int, last: int) -> None:
        """Add evaluation steps first..last-1 to `evaluated` and `confusion`."""
        steps, sums = (tf.constant(first), tf.constant(last)), (self.evaluated, self.confusion)
        self.evaluated, self.confusion = self._evaluate(examples.x, examples.y, *steps, *sums)
        self.confusion.numpy()  # waits for it

    def train_steps(self, examples: Examples) -> int:
        """Steps of an epoch; the last batch may be smaller, as in Keras."""
        return -(-len(examples) // self._batch_size)

    def evaluation_steps(self, examples: Examples) -> int:
        """Steps of an evaluation; the last batch may be smaller."""
        return -(-len(examples) // self._evaluation_batch)

    def confusion_matrix(self) -> list[list[int]] | None:
        """Counts of the last evaluation, a row per true class; None for regression."""
        counts: list[list[int]] = self.confusion.numpy().astype(int).tolist()
        return counts or None

    def begin_epoch(self, totals: Sequence[np.ndarray[Any, Any]] | None = None) -> None:
        """From its start, or from the `totals` that it stood at."""
        self.totals = self._start if totals is None else tuple(map(tf.constant, totals))

    def begin_evaluation(self) -> None:
        """Set the sums of the evaluation to 0."""
        self.evaluated, self.confusion = self._start, self._no_confusion

    def _train_step(
        self, totals: Totals, x: Any, labels: Any, weights: Any = None
    ) -> tuple[Any, Totals]:
        variables = self._model.trainable_variables
        with tf.GradientTape() as tape:
            outputs = self._model(self._scaled(x), training=True)
            loss = self._total_loss(labels, outputs, weights)
            scaled = self._optimizer.scale_loss(loss)
        self._optimizer.apply(tape.gradient(scaled, variables), variables)
        return loss, self._measures.after(totals, loss, labels, outputs)

    def _evaluation_steps(
        self, x: Any, y: Any, first: Any, last: Any, evaluated: Totals, confusion: Any
    ) -> tuple[Totals, Any]:
        def step(number: Any, evaluated: Totals, confusion: Any) -> tuple[Any, Totals, Any]:
            begin = number * self._evaluation_batch
            end = begin + self._evaluation_batch
            evaluated, counts = self._evaluation_step(x[begin:end], y[begin:end], evaluated)
            return number + 1, evaluated, confusion + counts

        start = first, evaluated, confusion
        _, *sums = tf.while_loop(lambda number, *_: number < last, step, start)
        return tuple(sums)

    def _evaluation_step(self, x: Any, labels: Any, totals: Totals) -> tuple[Totals, Any]:
        outputs = self._model(self._scaled(x), training=False)
        loss = self._total_loss(labels, outputs)
        after = self._measures.after(totals, loss, labels, outputs)
        return after, self._measures.confusion(labels, outputs)

    def _scaled(self, x: Any) -> Any:
        if self._whole:
            return tf.cast(x, tf.int32)
        # Pictures stay uint8 in memory: a quarter of the traffic, for a cast in the cache.
        return (tf.cast(x, tf.float32) - self._inputs.offset) / self._inputs.scale

    def _total_loss(self, labels: Any, outputs: Any, weights: Any = None) -> Any:
        # Penalties on outputs come in the precision of these.
        penalties = [tf.cast(penalty, tf.float32) for penalty in self._model.losses]
        if weights is not None and outputs.shape.rank > 2:  # one for all places of an example
            weights = tf.reshape(weights, [-1, *[1] * (outputs.shape.rank - 2)])
        return tf.add_n([self._loss(labels, outputs, weights), *penalties])


class Pace:
    """Cuts steps into graph calls of about CHUNK_SECONDS each, after short first ones."""

    def __init__(self) -> None:
        self._steps = 1

    def chunks(self, first: int, last: int, cuts: Sequence[int] = ()) -> Iterator[tuple[int, int]]:
        """(first, last) of each call, none across one of the `cuts`.

        The time until the next is asked for is taken as a call's cost.
        """
        while first < last:
            end = next((cut for cut in cuts if cut > first), last)
            count = min(self._steps, end - first)
            began = time.perf_counter()
            yield first, first + count
            seconds = max(time.perf_counter() - began, 1e-9)
            if count == self._steps or seconds > CHUNK_SECONDS:  # a call cut short tells too little
                # A first call holds one-off costs, so growth goes by tens.
                self._steps = max(1, min(10 * self._steps, int(count * CHUNK_SECONDS / seconds)))
            first += count
