"""What is decided at each epoch's end, as the Keras callbacks of the same names decide it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from contract.experiment import spec
from contract.experiment.measured import metric_of
from contract.experiment.metrics import Given

Weights: TypeAlias = list[np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Watched:
    """What a callback remembers: the `best` value, in which `epoch` (from 1; 0 before there is
    one), the epochs that it has waited since, and those for which it still rests.
    """

    best: float | None = None
    epoch: int = 0
    wait: int = 0
    cooldown: int = 0


class _Callback:
    """As `keras.callbacks.MonitorCallback`: knows whether a metric has become better.

    `asked` are the metrics that the run was asked for, of which it may be one.
    """

    def __init__(self, monitor: str, asked: Sequence[Given], min_delta: float = 0.0) -> None:
        metric = metric_of(monitor, asked)
        self._maximized = metric is not None and metric.maximized
        self._monitor = monitor
        self._min_delta = min_delta
        self.watched = Watched()

    def improves(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Whether `epoch` is the best so far; it is then what the next ones are compared with.

        NaN never improves; but as the first value it is the best, as in Keras.
        """
        value = metrics[self._monitor]
        if not self._is_better(value):
            return False
        self.watched = replace(self.watched, best=value, epoch=epoch, wait=0)
        return True

    def _is_better(self, value: float) -> bool:
        best = self.watched.best
        if best is None:
            return True
        if self._maximized:
            return value - self._min_delta > best
        return value + self._min_delta < best

    def _waited(self) -> int:
        """One epoch more without a better value."""
        self.watched = replace(self.watched, wait=self.watched.wait + 1)
        return self.watched.wait


class EarlyStopping(_Callback):
    """`keras.callbacks.EarlyStopping`: when training ends before its last epoch."""

    def __init__(self, told: spec.EarlyStopping, asked: Sequence[Given] = ()) -> None:
        super().__init__(told.monitor, asked, told.min_delta)
        self._told = told

    def is_over(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Whether training ends after `epoch` (from 1), which gave `metrics`."""
        if epoch <= self._told.start_from_epoch or self.improves(epoch, metrics):
            return False
        return self._waited() >= self._told.patience and epoch > 1


class ReduceLROnPlateau(_Callback):
    """`keras.callbacks.ReduceLROnPlateau`: when the learning rate falls, and to what."""

    def __init__(self, told: spec.ReduceLROnPlateau, asked: Sequence[Given] = ()) -> None:
        super().__init__(told.monitor, asked, told.min_delta)
        self._told = told

    def rate_after(self, epoch: int, metrics: Mapping[str, float], rate: float) -> float:
        """The learning rate that follows `rate`, a float32, after `epoch` (from 1).

        Where it cannot fall any more it is asked for again each epoch, as in Keras.
        """
        if self.watched.cooldown > 0:
            self.watched = replace(self.watched, cooldown=self.watched.cooldown - 1, wait=0)
        if self.improves(epoch, metrics) or self.watched.cooldown > 0:
            return rate
        if self._waited() < self._told.patience or not rate > np.float32(self._told.min_lr):
            return rate
        self.watched = replace(self.watched, cooldown=self._told.cooldown, wait=0)
        return max(rate * self._told.factor, self._told.min_lr)


class Callbacks:
    """Those of one run of `model`, whose weights of the best epoch they keep if told."""

    def __init__(self, training: spec.Training, model: Any, optimizer: Any) -> None:
        stopping, plateau = training.early_stopping, training.reduce_lr_on_plateau
        checkpoint = training.model_checkpoint
        self._model = model
        self._optimizer = optimizer
        self._stopping = EarlyStopping(stopping, training.metrics) if stopping else None
        self._plateau = ReduceLROnPlateau(plateau, training.metrics) if plateau else None
        self._checkpoint = _Callback(checkpoint.monitor, training.metrics) if checkpoint else None
        self._named = {
            "early_stopping": self._stopping,
            "reduce_lr_on_plateau": self._plateau,
            "model_checkpoint": self._checkpoint,
        }
        restored = self._stopping if stopping and stopping.restore_best_weights else None
        # Whose best epoch the model is to be of in the end.
        self._chooses = self._checkpoint or restored
        self.best_weights: Weights = []

    @property
    def watched(self) -> dict[str, Watched]:
        """What they remember, by their names in the spec."""
        return {name: each.watched for name, each in self._named.items() if each is not None}

    def resume(self, watched: Mapping[str, Watched], best_weights: Weights) -> None:
        """Go on from what they remembered and kept; nothing, before the first epoch's end."""
        for name, each in self._named.items():
            if each is not None:
                each.watched = watched.get(name, Watched())
        self.best_weights = best_weights

    def end_epoch(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Whether training ends after `epoch` (from 1), which gave `metrics`."""
        over = self._stopping is not None and self._stopping.is_over(epoch, metrics)
        if self._plateau is not None:
            rate = float(self._optimizer.learning_rate.numpy())
            if (after := self._plateau.rate_after(epoch, metrics, rate)) != rate:
                self._optimizer.learning_rate = after
        if self._checkpoint is not None:
            self._checkpoint.improves(epoch, metrics)
        if self._chooses is not None and self._chooses.watched.epoch == epoch:
            self.best_weights = self._model.get_weights()
        return over

    @property
    def best_epoch(self) -> int | None:
        """That of the best weights; None where none were kept."""
        return self._chooses.watched.epoch if self._chooses and self.best_weights else None

    def restore_best_weights(self) -> None:
        """Give the model those of the best epoch, where they were kept."""
        if self.best_weights:
            self._model.set_weights(self.best_weights)
