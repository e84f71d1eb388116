"""The whole state of a run in one file, read and written without pickle."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from contract.errors import CheckpointUnusable
from contract.store.documents import read
from worker.training.callbacks import Watched
from worker.training.hooks import Reason
from worker.training.signals.unreported import Unreported

Arrays = list[np.ndarray[Any, Any]]
_GROUPS = ("model", "optimizer", "totals", "best_weights")


@dataclass
class Position:
    """How far a run is: `epoch` epochs are finished and `step` steps of the next one done.

    `epoch_seconds` were spent on that next one, `train_seconds` on all. `watched` is what each
    callback remembers, by its name in the spec; `reason` says why no epoch follows.
    """

    epoch: int = 0
    step: int = 0
    epoch_seconds: float = 0.0
    train_seconds: float = 0.0
    watched: dict[str, Watched] = field(default_factory=dict)
    reason: Reason | None = None


@dataclass
class Checkpoint:
    """`model` holds weights and seed generators, `totals` the sums of the epoch under way."""

    position: Position
    model: Arrays
    optimizer: Arrays
    totals: Arrays
    signals: Unreported
    best_weights: Arrays = field(default_factory=list)

    def write(self, path: Path) -> None:
        """One npz file; NaN and infinity are written as Python's json does."""
        groups = {name: getattr(self, name) for name in _GROUPS}
        header = {
            "position": asdict(self.position),
            "signals": asdict(self.signals),
            "sizes": {name: len(arrays) for name, arrays in groups.items()},
        }
        entries = {
            f"{name}/{number}": array
            for name, arrays in groups.items()
            for number, array in enumerate(arrays)
        }
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, header=np.array(json.dumps(header)), **entries)

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """Raises CheckpointUnusable where it is not a whole one; zip checks a CRC per array."""
        try:
            with path.open("rb") as whole, np.load(whole, allow_pickle=False) as file:
                header = json.loads(str(file["header"]))
                groups = {
                    name: [file[f"{name}/{number}"] for number in range(header["sizes"][name])]
                    for name in _GROUPS
                }
            signals = read(Unreported, header.get("signals", {}))
            return cls(_position(header["position"]), signals=signals, **groups)
        except Exception as error:  # whatever a damaged byte makes of zip, NumPy and JSON
            what = f"{type(error).__name__}: {error}"
            raise CheckpointUnusable(f"is not whole, or another version's ({what})") from error


def _position(stored: dict[str, Any]) -> Position:
    """Another version may count other times, but where the run is must be told, and what its
    callbacks remember."""
    if "best" in stored:
        stored = _before_callbacks(stored)
    position = read(Position, stored)
    found = position.epoch, position.step, position.watched.keys()
    if found != (stored["epoch"], stored["step"], stored["watched"].keys()):
        raise ValueError(f"expected a position, received {stored}")
    return position


def _before_callbacks(stored: dict[str, Any]) -> dict[str, Any]:
    """As it is written now: until 27 November 2026 early stopping alone remembered something."""
    best, wait = stored["best"], stored["wait"]
    remembered = {"best": best, "wait": wait, "epoch": stored["epoch"] - wait}
    told = {name: value for name, value in stored.items() if name not in ("best", "wait")}
    return {**told, "watched": {} if best is None else {"early_stopping": remembered}}


def assign(variables: list[Any], arrays: Arrays, what: str) -> None:
    """Give each variable its array. Raises CheckpointUnusable where the variables are others."""
    require([tuple(variable.shape) for variable in variables], arrays, what)
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def require(shapes: list[tuple[int, ...]], arrays: Arrays, what: str) -> None:
    """Raises CheckpointUnusable where the arrays have other shapes."""
    found = [array.shape for array in arrays]
    if shapes != found:
        raise CheckpointUnusable(f"has {what} of shapes {found}, expected {shapes}")
