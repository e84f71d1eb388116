"""Training steps, many to a graph call."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from worker.training.program.metrics import Totals

Losses = np.ndarray[tuple[int], np.dtype[np.float32]]
# Trains on a batch: of totals, inputs, labels and perhaps weights it gives the loss and the totals.
Step = Callable[..., tuple[Any, Totals]]


class Steps:
    """Loops of `step` over examples, `batch_size` at a time.

    XLA is given the loop and not the step alone: to start what it compiled costs a small model a
    tenth of its training. It compiles for one shape, so a smaller last batch has a loop of its own;
    without XLA it has not, because to trace the step twice takes longer than known shapes save.
    """

    def __init__(self, step: Step, start: Totals, batch_size: int, jit_compile: bool) -> None:
        self._step = step
        self._start = start
        self._batch_size = batch_size
        self._jit_compile = jit_compile

    def trace(self, parts: Sequence[Any]) -> None:
        """Build and optimize, or compile, for examples of these parts, which `step` takes in their
        order; no step is taken."""
        # Captured, because each argument costs a call 10 us.
        self._parts, self._examples = parts, int(parts[0].shape[0])
        order, zero = tf.range(self._examples, dtype=tf.int64), tf.constant(0)
        nothing = order, zero, zero, self._start
        graph = tf.function(self._epoch, autograph=False, jit_compile=self._jit_compile)
        self._graph = graph.get_concrete_function(*nothing)
        self._graph(*nothing)  # TensorFlow optimizes a graph when it is first called

    def __call__(self, order: Any, first: int, last: int, totals: Totals) -> tuple[Losses, Totals]:
        """Losses of steps first..last-1 of the epoch in `order`, and the totals after them."""
        losses, totals = self._graph(order, tf.constant(first), tf.constant(last), totals)
        return losses.numpy()[first:last], totals

    def _epoch(self, order: Any, first: Any, last: Any, totals: Any) -> tuple[Any, Any]:
        """As many losses as the epoch has steps, zero but for first..last-1; and the new totals."""
        full, rest = divmod(self._examples, self._batch_size)
        loops: list[tuple[int | None, Any]] = [(None, last)]
        if self._jit_compile or not rest:
            loops = [(self._batch_size, tf.minimum(last, full)), (rest, last)]
        state = first, tf.zeros([full + (rest > 0)]), totals
        for size, end in loops:
            if size != 0:
                state = self._loop(size, order, end, *state)
        return state[1:]

    def _loop(
        self, size: int | None, order: Any, end: Any, number: Any, losses: Any, totals: Any
    ) -> Any:
        """The state after steps `number`..`end`-1, of `size` examples (None: all left, at most)."""

        def step(number: Any, losses: Any, totals: Any) -> tuple[Any, Any, Any]:
            at = number * self._batch_size
            rows = tf.slice(
                order, [at], [size or tf.minimum(self._batch_size, self._examples - at)]
            )
            loss, totals = self._step(totals, *(tf.gather(part, rows) for part in self._parts))
            losses = tf.tensor_scatter_nd_update(losses, [[number]], [loss])
            return number + 1, losses, totals

        return tf.while_loop(lambda number, *_: number < end, step, (number, losses, totals))
