"""What a sweep's cells have come to, as trials of a search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Literal

from contract.store.documents import read
from contract.store.numbers import decode
from contract.store.tables import Sweep
from contract.sweeps.axes import Cell
from contract.sweeps.cells import Run, by_cell, spread_of
from worker.duties.cell_curves import Curves


@dataclass(frozen=True)
class Known:
    """What the pruner knows of a trial: epochs up to `epoch`, and `attrs`, its own notes."""

    epoch: int = 0
    attrs: Mapping[str, Any] = field(default_factory=dict)
    pruned: bool = False


@dataclass(frozen=True)
class Trial:
    """A cell as Optuna sees it. `curve` has the objective after each epoch that all runs have, the
    first one first."""

    cell: Cell
    state: Literal["running", "complete", "pruned", "fail"]
    value: float | None
    curve: Sequence[float]
    known: Known

    @property
    def news(self) -> range:
        """The epochs that the pruner is still to be told of, while it may prune."""
        open_ = self.state == "running" and not self.known.pruned
        return range(self.known.epoch + 1, len(self.curve) + 1) if open_ else range(0)


def trials_of(sweep: Sweep, runs: Sequence[Run], curves: Curves | None) -> list[Trial]:
    """`curves` has read what the runs have recorded; None where nothing is pruned."""
    cells = zip(sweep.cells, by_cell(runs, len(sweep.cells)), strict=True)
    return [
        _trial(
            cell, own, _known(sweep.trials.get(str(number), {})), curves.of(own) if curves else ()
        )
        for number, (cell, own) in enumerate(cells)
    ]


def _known(stored: Mapping[str, Any]) -> Known:
    known = read(Known, stored)
    return replace(known, attrs={name: decode(value) for name, value in known.attrs.items()})


def _trial(cell: Cell, runs: Sequence[Run], known: Known, curve: Sequence[float]) -> Trial:
    value = spread_of(runs).mean
    if not all(run.ended for run in runs):
        return Trial(cell, "running", None, curve, known)
    if known.pruned:
        return Trial(cell, "pruned", None, curve, known)
    complete = value is not None and isfinite(value)
    return Trial(cell, "complete" if complete else "fail", value, curve, known)
