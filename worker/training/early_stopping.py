"""When to stop before the last epoch, as `keras.callbacks.EarlyStopping` decides it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from contract.experiment.metrics import metric_of
from contract.experiment.spec import EarlyStopping

Weights = list[np.ndarray[Any, Any]]


class Patience:
    """Counts epochs without improvement of the monitored metric; keeps the best weights if told."""

    def __init__(self, spec: EarlyStopping) -> None:
        self._spec = spec
        self.best: float | None = None
        self.wait = 0
        self.best_weights: Weights = []

    def is_over(
        self, epoch: int, metrics: dict[str, float], weights: Callable[[], Weights]
    ) -> bool:
        """Whether training ends after `epoch` (from 1), which gave `metrics`.

        NaN never improves; but as the first value it is the best, as in Keras.
        """
        spec = self._spec
        if epoch <= spec.start_from_epoch:
            return False
        self.wait += 1
        if self._improves(metrics[spec.monitor]):
            self.best = metrics[spec.monitor]
            self.wait = 0
            if spec.restore_best_weights:
                self.best_weights = weights()
            return False
        return self.wait >= spec.patience and epoch > 1

    def _improves(self, value: float) -> bool:
        if self.best is None:
            return True
        if metric_of(self._spec.monitor).maximized:
            return value - self._spec.min_delta > self.best
        return value + self._spec.min_delta < self.best
