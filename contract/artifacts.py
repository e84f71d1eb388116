"""Where models, checkpoints and uploads lie: a folder, or any fsspec URL that all nodes reach."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

_BLOCK = 1 << 20


class ArtifactDamaged(Exception):
    """The bytes are missing, or are not those that were written."""


@dataclass(frozen=True)
class Stored:
    """`key` is relative to the store; `sha256` is that of the whole file."""

    key: str
    sha256: str
    bytes: int


class ArtifactStore:
    """Files under keys that are written once, whole or not at all.

    All of it raises OSError where the disk or the store is at fault.
    """

    def __init__(self, url: str) -> None:
        self._fs, self._root = url_to_fs(url)
        self._local = isinstance(self._fs, LocalFileSystem)

    def put(self, key: str, source: Path) -> Stored:
        """Store the file `source` under `key`; on a local disk it is synced before it is named."""
        stored = Stored(key, _sha256(source), source.stat().st_size)
        if self._local:
            self._put_locally(self._path(key), source)
        else:
            with self._reached():
                self._fs.put_file(str(source), self._path(key))
        return stored

    def fetch(self, key: str, sha256: str, target: Path) -> None:
        """Copy `key` to `target`. Raises ArtifactDamaged unless the bytes have this hash."""
        try:
            with self._reached():
                self._fs.get_file(self._path(key), str(target))
        except FileNotFoundError as error:
            raise ArtifactDamaged(f"{key} is missing from the artifact store") from error
        if (found := _sha256(target)) != sha256:
            raise ArtifactDamaged(f"{key} has sha256 {found}, expected {sha256}")

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """Read `key`. Raises FileNotFoundError."""
        with self._reached(), self._fs.open(self._path(key), "rb") as file:
            yield cast(BinaryIO, file)

    def delete(self, key: str) -> None:
        """Remove `key`, a file or all that lies under it; it may be gone already."""
        with suppress(FileNotFoundError), self._reached():
            self._fs.rm(self._path(key), recursive=True)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """What a remote store's library raises in its own words is an OSError."""
        try:
            yield
        except Exception as error:
            if self._local or isinstance(error, OSError):
                raise
            raise OSError(f"the artifact store does not answer: {error}") from error

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    def _put_locally(self, path: str, source: Path) -> None:
        target = Path(path)
        _make_folder(target.parent)
        part = target.with_name(f".{target.name}.part")
        try:
            _copy(source, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)  # a full disk must not stay full because of it
        _sync_folder(target.parent)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("wb") as write:
        while block := read.read(_BLOCK):
            write.write(block)
        write.flush()
        os.fsync(write.fileno())


def _make_folder(folder: Path) -> None:
    """Make `folder` and its parents last: a new name is on the disk when its folder is synced."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
