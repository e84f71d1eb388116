"""When a run is looked at, and what is kept of it until it is reported."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from contract.jobs.reports import Signal
from worker.training.signals.probe import Array
from worker.training.signals.snapshot import Lens
from worker.training.signals.unreported import Unreported

FIRST_LOSSES = 32


class Watch:
    """Looks through `lens` at the run whose epochs have `steps` steps each.

    Without a lens (signals off) there are no moments; the first losses cost nothing.

    Moments are the initial weights, the steps 1, 2, 4, 8... of the first epoch, and the ends of
    epochs: of each to the seventh, of each second from the eighth, of each fourth from the 16th and
    so on, and of the last. A thousand epochs have 36.
    """

    def __init__(
        self, lens: Lens | None, initial: Callable[[], dict[str, Any]], steps: int, epochs: int
    ) -> None:
        self._lens = lens
        self._initial = initial
        self._steps = steps
        self._epochs = epochs
        self._before: list[Array] | None = None
        self._looked_at = 0
        self.unreported = Unreported()

    def begin(self) -> None:
        """Measure what is measured once, and look at the initial weights."""
        document = {"steps_per_epoch": self._steps, **self._initial()}
        self.unreported.signals.append(Signal("run", 0, document))
        self._look(0, 0, at_epoch_end=False)

    def cuts(self, epoch: int) -> list[int]:
        """Steps of the epoch that follows `epoch` finished ones before which a graph call must end.

        Each moment's step is a call of its own, so that its change of the weights can be seen.
        """
        if self._lens is None:
            return []
        powers = [2**n for n in range(self._steps.bit_length())] if epoch == 0 else []
        moments = {step for step in (*powers, self._steps) if self._is_moment(epoch, step)}
        return sorted(moments | {step - 1 for step in moments})

    def before(self, epoch: int, first: int, last: int) -> None:
        """Steps `first`..`last`-1 of the epoch under way are about to be trained."""
        self._before = None
        if self._lens is not None and last == first + 1 and self._is_moment(epoch, last):
            self._before = self._lens.weights()

    def after(self, epoch: int, first: int, losses: Array) -> None:
        """They were trained, and gave `losses`."""
        done = epoch * self._steps + first
        self._note(done, losses)
        last = first + len(losses)
        if self._is_moment(epoch, last):
            ends = last == self._steps
            self._look(done + len(losses), epoch + ends, at_epoch_end=ends)

    def end(self, epoch: int) -> None:
        """The run ends after `epoch` epochs, sooner than was planned, perhaps."""
        if self._looked_at < epoch * self._steps:
            self._before = None
            self._look(epoch * self._steps, epoch, at_epoch_end=True)

    def take(self) -> list[Signal]:
        """What was not taken before."""
        taken = self.unreported.signals
        self.unreported = Unreported(non_finite_step=self.unreported.non_finite_step)
        return taken

    def _is_moment(self, epoch: int, step: int) -> bool:
        if step == self._steps:
            ended = epoch + 1
            stride = 2 ** max(0, ended.bit_length() - 3)
            return ended % stride == 0 or ended == self._epochs
        return epoch == 0 and step.bit_count() == 1

    def _look(self, step: int, epoch: int, *, at_epoch_end: bool) -> None:
        if self._lens is None:
            return
        moment = self._lens.moment(
            step=step, epoch=epoch, at_epoch_end=at_epoch_end, before=self._before
        )
        self.unreported.signals.append(Signal("moment", step, asdict(moment)))
        self._looked_at = step

    def _note(self, done: int, losses: Array) -> None:
        kept = self.unreported
        first = [float(str(loss)) for loss in losses[: max(0, FIRST_LOSSES - done)]]
        if first:
            kept.signals.append(Signal("losses", done + 1, {"losses": first}))
        if kept.non_finite_step is None and not np.isfinite(losses).all():
            kept.non_finite_step = done + int(np.argmin(np.isfinite(losses))) + 1
            kept.signals.append(Signal("non_finite", kept.non_finite_step, {}))
