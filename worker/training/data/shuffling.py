"""The orders in which epochs take their examples."""

from typing import Any

import numpy as np
import tensorflow as tf

from contract.experiment.spec import Training

AHEAD_EXAMPLES = 2**15


class Orders:
    """Those of a run of `training`, some epochs ahead where epochs are short.

    A graph call leaves nothing of Python in the processor's caches: made between two of them, an
    order takes six times as long as after another.
    """

    def __init__(self, examples: int, training: Training) -> None:
        self._examples = examples
        self._training = training
        self._made: dict[int, Any] = {}

    def __getitem__(self, epoch: int) -> Any:
        """That of `epoch` (from 1)."""
        if epoch not in self._made:
            ahead = max(1, AHEAD_EXAMPLES // self._examples)
            epochs = range(epoch, min(epoch + ahead, self._training.epochs + 1))
            seed, shuffle = self._training.seed, self._training.shuffle
            self._made = {e: order_of(self._examples, seed, e, shuffle) for e in epochs}
        return self._made[epoch]


def order_of(examples: int, seed: int, epoch: int, shuffle: bool) -> Any:
    """The order of `epoch` (from 1): from the seed alone, so a resumed run repeats it."""
    if not shuffle:
        return tf.range(examples, dtype=tf.int64)
    generator = np.random.Generator(np.random.Philox(key=[seed, epoch]))
    return tf.constant(generator.permutation(examples), tf.int64)
