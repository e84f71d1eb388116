"""A checkpoint file: everything comes back, and damage is seen."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from contract.errors import CheckpointUnusable
from contract.jobs.reports import Signal
from worker.training.callbacks import Watched
from worker.training.checkpoint import Checkpoint, Position
from worker.training.signals.unreported import Unreported

SIGNALS = Unreported([Signal("moment", 4, {"loss": math.inf, "layers": [{"index": 1}]})], 3)


def checkpoint(position: Position) -> Checkpoint:
    return Checkpoint(
        position,
        model=[np.array([[1, np.nan]], np.float32), np.array([3, 4], np.uint32)],
        optimizer=[np.array(7, np.int64), *np.ones((12, 2), np.float32)],
        totals=[np.array([0.1, 0.2])],
        signals=SIGNALS,
        best_weights=[],
    )


def contents(read: Checkpoint) -> list[tuple[str, bytes]]:
    groups = [read.model, read.optimizer, read.totals, read.best_weights]
    return [(array.dtype.str, array.tobytes()) for group in groups for array in group]


def test_everything_comes_back(tmp_path: Path) -> None:
    watched = {
        "early_stopping": Watched(math.inf, epoch=2, wait=1),
        "reduce_lr_on_plateau": Watched(cooldown=3),
    }
    position = Position(3, 2, epoch_seconds=0.1, watched=watched, reason="completed")
    written = checkpoint(position)
    written.write(tmp_path / "c.npz")
    read = Checkpoint.read(tmp_path / "c.npz")
    assert read.position == position
    assert read.signals == SIGNALS
    assert contents(read) == contents(written)


def test_a_first_value_of_nan_comes_back(tmp_path: Path) -> None:
    watched = {"early_stopping": Watched(math.nan)}
    checkpoint(Position(watched=watched)).write(tmp_path / "c.npz")
    best = Checkpoint.read(tmp_path / "c.npz").position.watched["early_stopping"].best
    assert best is not None
    assert math.isnan(best)


@pytest.mark.parametrize(
    ("best", "wait", "watched"),
    [(None, 0, {}), (0.5, 2, {"early_stopping": Watched(0.5, epoch=3, wait=2)})],
)
def test_what_was_written_before_there_were_callbacks(
    best: float | None, wait: int, watched: dict[str, Watched], tmp_path: Path
) -> None:
    path = tmp_path / "c.npz"
    checkpoint(Position(5, 2)).write(path)
    with np.load(path) as file:
        entries = dict(file)
    header = json.loads(str(entries.pop("header")))
    del header["position"]["watched"]
    header["position"] |= {"best": best, "wait": wait}
    np.savez(path, allow_pickle=False, header=np.array(json.dumps(header)), **entries)
    assert Checkpoint.read(path).position == Position(5, 2, watched=watched)


def test_every_damaged_byte_is_seen_or_harmless(tmp_path: Path) -> None:
    """Names, sizes and contents are guarded; a file that reads in spite of it reads the same."""
    path = tmp_path / "c.npz"
    checkpoint(Position(epoch=5)).write(path)
    whole = path.read_bytes()
    expected = Checkpoint.read(path)
    seen = 0
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            read = Checkpoint.read(path)
        except CheckpointUnusable:
            seen += 1
        else:
            assert read.position == expected.position
            assert contents(read) == contents(expected)
    assert seen > 100


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointUnusable, match="is not whole"):
        Checkpoint.read(tmp_path / "none.npz")
