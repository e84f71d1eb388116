"""Datasets fetched and decoded once for a node, and mapped into memory by each of its trainers.

To unpack and check MNIST takes 0.25 s of a core and 55 MB; to map what was unpacked takes neither.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from contract.experiment.datasets import Dataset, Facts
from contract.store.artifacts import sha256_of
from worker.training.data.load import Arrays, load

Array = np.ndarray[Any, Any]
# Fetches the file of an uploaded dataset, and drops it again.
Fetch = Callable[[], AbstractContextManager[Path]]
LIMIT_BYTES = 5_000_000_000
_OPEN = 4
_MANIFEST = "sha256.json"
# What is done to a dataset's arrays when they are there.
_AFTER = {"scaling", "target", "target_scaling", "limit"}


class DatasetCache:
    """A folder of .npy files, written whole or not at all, which all trainers of a node share.

    A process checks the hash of what it maps, once, and keeps the datasets that it used last. The
    mappings are private: nothing that a process does can reach the files.
    """

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._open: OrderedDict[str, Arrays] = OrderedDict()

    def arrays(
        self, dataset: Dataset, facts: Facts, data_dir: Path, upload: Fetch | None = None
    ) -> Arrays:
        """What `load` returns, and raises. An upload is fetched where its arrays are not here."""
        key = _key(dataset)
        if key not in self._open:
            self._open[key] = self._found(dataset, facts, data_dir, upload)
        self._open.move_to_end(key)
        if len(self._open) > _OPEN:
            self._open.popitem(last=False)
        return self._open[key]

    def forget(self) -> None:
        """Keep no dataset open."""
        self._open.clear()

    def _found(
        self, dataset: Dataset, facts: Facts, data_dir: Path, upload: Fetch | None
    ) -> Arrays:
        if upload is None and facts.source != "file":
            return load(dataset, facts, data_dir)
        options = dataset.model_dump(exclude=_AFTER | {"name"}, exclude_none=True)
        told = [f"{option}={value}" for option, value in options.items()]
        kept = self._folder / "-".join([dataset.name, *told])
        if (mapped := _mapped(kept)) is not None:
            return mapped
        shutil.rmtree(kept, ignore_errors=True)
        with upload() if upload else nullcontext() as file:
            arrays = load(dataset, facts, data_dir, file)
        with suppress(FileNotFoundError):  # another trainer needed the room
            self._write(arrays, kept)
        self._trim()
        return _mapped(kept) or arrays

    def _write(self, arrays: Arrays, kept: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".") as name:
            part = Path(name) / "part"
            part.mkdir()
            hashes = {
                array: _save(part / f"{array}.npy", values)
                for array, values in arrays.by_name().items()
            }
            (part / _MANIFEST).write_text(json.dumps(hashes))
            with suppress(OSError):  # another trainer was quicker
                part.rename(kept)

    def _trim(self) -> None:
        """Drop what was opened longest ago, beyond the limit; who has it mapped keeps its bytes.

        So goes what a trainer was writing when it was killed.
        """
        total = 0
        for kept in sorted(self._folder.iterdir(), key=_opened_at, reverse=True):
            with suppress(FileNotFoundError):  # another trainer tidies up as well
                total += sum(file.stat().st_size for file in kept.rglob("*"))
                if total > self._limit_bytes:
                    shutil.rmtree(kept, ignore_errors=True)


class _Hashed:
    """A file that is written to, and the hash of what it was given.

    NumPy writes it as any stream. Into a file itself it writes past Python, and says nothing where
    the last 4 kB do not fit on the disk.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def write(self, block: bytes) -> int:
        self.sha256.update(block)
        return self._file.write(block)


def _save(path: Path, values: Array) -> str:
    """The SHA-256 of what was to be written. Raises OSError unless all of it was."""
    with path.open("wb") as file:
        hashed = _Hashed(file)
        np.lib.format.write_array(hashed, values, allow_pickle=False)
    return hashed.sha256.hexdigest()


def _key(dataset: Dataset) -> str:
    """What decides the arrays: not how they are cut and scaled."""
    return json.dumps(dataset.model_dump(exclude=_AFTER), sort_keys=True)


def _mapped(kept: Path) -> Arrays | None:
    """None where nothing whole is kept."""
    try:
        hashes = json.loads((kept / _MANIFEST).read_text())
        if any(sha256_of(kept / f"{name}.npy") != sha256 for name, sha256 in hashes.items()):
            return None
        # The clock's own time: by default the kernel writes that of its last tick, up to 4 ms ago,
        # and two that were opened within a tick would go in any order.
        opened_at = time.time_ns()
        os.utime(kept, ns=(opened_at, opened_at))
        # Copy-on-write, because TensorFlow takes over no array that says it is read-only.
        return Arrays(**{name: np.load(kept / f"{name}.npy", mmap_mode="c") for name in hashes})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _opened_at(kept: Path) -> int:
    """Nanoseconds; 0 where another trainer dropped it."""
    try:
        return kept.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
