"""Training steps, many to a graph call."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

Losses = np.ndarray[tuple[int], np.dtype[np.float32]]
# Trains on a batch of inputs and labels, and gives its loss.
Step = Callable[[Any, Any], Any]


class Steps:
    """Loops of `step` over examples, `batch_size` at a time.

    XLA is given the loop and not the step alone: to start what it compiled costs a small model a
    tenth of its training. As it compiles for one shape, a smaller last batch has a graph of its
    own, which without XLA would only be traced twice.
    """

    def __init__(self, step: Step, batch_size: int, jit_compile: bool) -> None:
        self._step = step
        self._batch_size = batch_size
        self._jit_compile = jit_compile

    def trace(self, x: Any, y: Any) -> None:
        """Build and optimize, or compile, for examples of these shapes; no step is taken."""
        full, rest = divmod(int(x.shape[0]), self._batch_size)
        parts: list[tuple[int | None, int, int]] = [(None, 0, full + (rest > 0))]
        if self._jit_compile:
            parts = [(self._batch_size, 0, full), (rest, full, full + (rest > 0))]
        nothing = x, y, tf.range(x.shape[0], dtype=tf.int64), tf.constant(0), tf.constant(0)
        self._parts = []
        for size, begin, end in parts:
            if begin < end:
                loop = partial(self._loop, size, begin, end)
                graph = tf.function(loop, autograph=False, jit_compile=self._jit_compile)
                traced = graph.get_concrete_function(*nothing)
                traced(*nothing)  # TensorFlow optimizes a graph when it is first called
                self._parts.append((traced, begin, end))

    def __call__(self, x: Any, y: Any, order: Any, first: int, last: int) -> Losses:
        """Losses of steps first..last-1 of the epoch that takes its examples in `order`."""
        losses = [np.empty(0, np.float32)]
        for graph, begin, end in self._parts:
            start, stop = max(first, begin), min(last, end)
            if start < stop:
                told = graph(x, y, order, tf.constant(start), tf.constant(stop)).numpy()
                losses.append(told[start - begin : stop - begin])
        return np.concatenate(losses)

    def _loop(
        self,
        size: int | None,
        begin: int,
        end: int,
        x: Any,
        y: Any,
        order: Any,
        first: Any,
        last: Any,
    ) -> Any:
        """Steps first..last-1 of begin..end-1, whose losses it gives, of `size` examples each."""

        def step(number: Any, losses: Any) -> tuple[Any, Any]:
            at = number * self._batch_size
            rows = (
                order[at : at + self._batch_size] if size is None else tf.slice(order, [at], [size])
            )
            loss = self._step(tf.gather(x, rows), tf.gather(y, rows))
            return number + 1, tf.tensor_scatter_nd_update(losses, [[number - begin]], [loss])

        start = first, tf.zeros([end - begin])
        return tf.while_loop(lambda number, _: number < last, step, start)[1]
