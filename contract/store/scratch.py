"""Files of a request or a run, in a folder that lives no longer than its process."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp


class Scratch:
    """Folders within `parent`, which other processes may use too.

    Each process locks the folder that it has there. A killed one cleans up nothing, but lets go of
    its lock: whoever is next removes what it left.
    """

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._folder: Path | None = None
        self._lock = -1

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A new empty folder, gone at the end with all that is in it."""
        with TemporaryDirectory(dir=self._folder or self._open(), prefix="") as folder:
            yield Path(folder)

    def sweep(self) -> None:
        """Remove what killed processes left."""
        for left in self._parent.glob("*"):
            with suppress(OSError):  # another process uses it, or has removed it
                lock = _locked(left)
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)

    def close(self) -> None:
        """Remove this process's folder with all that is in it."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._lock)
            self._folder = None

    def _open(self) -> Path:
        """Only once it is needed: not every process that could is one that does."""
        self._parent.mkdir(parents=True, exist_ok=True)
        while True:
            folder = Path(mkdtemp(dir=self._parent, prefix=f"{os.getpid()}-"))
            # Before it is locked it looks like one that was left, and whoever sweeps may take it.
            with suppress(BlockingIOError, FileNotFoundError):
                lock = _locked(folder)
                if folder.exists():
                    self._folder, self._lock = folder, lock
                    return folder
                os.close(lock)


def _locked(folder: Path) -> int:
    """A handle that locks `folder` until it is closed. Raises BlockingIOError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle
