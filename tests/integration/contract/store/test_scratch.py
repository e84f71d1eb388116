"""Processes that share a folder for scratch, and remove what killed ones left there."""

import fcntl
import multiprocessing
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from contract.store import scratch
from contract.store.scratch import Scratch

PROCESSES, ROUNDS = 8, 150


@pytest.mark.parametrize("removed", [True, False])
def test_a_folder_that_is_not_locked_yet_may_be_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removed: bool
) -> None:
    """By another process, which has removed it or is about to."""
    made: list[Path] = []
    held: list[int] = []

    def swept(**where: Any) -> str:
        folder = str(tempfile.mkdtemp(**where))
        made.append(Path(folder))
        if len(made) == 1 and removed:
            Scratch(tmp_path).sweep()
        elif len(made) == 1:
            held.append(os.open(folder, os.O_RDONLY))
            fcntl.flock(held[0], fcntl.LOCK_EX)
        return folder

    monkeypatch.setattr(scratch, "mkdtemp", swept)
    own = Scratch(tmp_path)
    with own.folder() as folder:
        Scratch(tmp_path).sweep()
        assert folder.is_dir()
        assert made[1] in folder.parents
    own.close()
    for handle in held:
        os.close(handle)
    Scratch(tmp_path).sweep()
    assert list(tmp_path.iterdir()) == []


def test_many_that_start_and_sweep_at_once_leave_each_other_alone(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    running = [context.Process(target=use, args=(tmp_path, barrier)) for _ in range(PROCESSES)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0] * PROCESSES
    assert list(tmp_path.iterdir()) == []


def use(parent: Path, barrier: Any) -> None:
    """As processes that start, take an upload and stop, again and again."""
    barrier.wait()
    for _ in range(ROUNDS):
        own = Scratch(parent)
        own.sweep()
        with own.folder() as folder:
            file = folder / "received"
            file.write_bytes(b"half")
            assert file.read_bytes() == b"half"
        own.close()
