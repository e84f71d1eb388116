"""Uploaded datasets on this node's disk, so that each is fetched from the artifact store once."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from contract.errors import DatasetUnavailable
from contract.experiment.datasets import Upload
from contract.store.artifacts import ArtifactDamaged, ArtifactStore

LIMIT_BYTES = 5_000_000_000


class DatasetCache:
    """Files named by their hash, which all trainers of a node share without a word to each other.

    A trainer never uses the cache's own name for a file but a hard link to it, in its scratch
    folder. So names come whole or not at all, any trainer may drop any name, and the bytes stay
    for as long as someone has a link.
    """

    def __init__(self, store: ArtifactStore, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._store = store
        self._folder = folder
        self._limit_bytes = limit_bytes

    def bring(self, upload: Upload, target: Path) -> None:
        """Make `target`, a new file on the cache's disk, the dataset; its hash is checked.

        Raises DatasetUnavailable where the store lost it or has other bytes, OSError where the
        store or the disk is at fault.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        kept = self._folder / f"{upload.sha256}.npz"
        if _link(kept, target):
            if _sha256(target) == upload.sha256:
                os.utime(target)  # the file's, whatever its names: it was used now
                return
            target.unlink()
            kept.unlink(missing_ok=True)
        self._fetch(upload, target)
        with suppress(FileExistsError):  # another trainer was quicker
            kept.hardlink_to(target)
        self._trim()

    def _fetch(self, upload: Upload, target: Path) -> None:
        try:
            self._store.fetch(upload.key, upload.sha256, target)
        except ArtifactDamaged as error:
            raise DatasetUnavailable(
                f"the uploaded dataset cannot be had: {error}",
                "upload it again, and name the new one in the experiment",
            ) from error

    def _trim(self) -> None:
        """Drop what was not used for longest, beyond the limit; a second link means: in use."""
        files = []
        for file in self._folder.glob("*.npz"):
            with suppress(FileNotFoundError):  # another trainer tidies up as well
                files.append((file, file.stat()))
        total = 0
        for file, found in sorted(files, key=lambda entry: -entry[1].st_mtime):
            total += found.st_size
            if total > self._limit_bytes and found.st_nlink == 1:
                file.unlink(missing_ok=True)


def _link(kept: Path, target: Path) -> bool:
    try:
        target.hardlink_to(kept)
    except FileNotFoundError:
        return False
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
