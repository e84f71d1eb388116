"""Where models, checkpoints and uploads lie: a folder, or any fsspec URL that all nodes reach."""

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

_BLOCK = 1 << 20
# What the kinds of stores call the time of the last change.
_MODIFIED = ("mtime", "LastModified", "last_modified", "updated", "created")


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
        """Store the file `source` under `key`; on a local disk it is synced before it is named.

        Raises OSError also where `source` changed meanwhile, or less was stored than was read.
        """
        path, before = self._path(key), source.stat()
        place = self._placed_locally if self._local else self._placed_remotely
        with place(path, source) as (sha256, size):
            if _state(source.stat()) != _state(before) or size != before.st_size:
                raise OSError(
                    errno.EIO,
                    f"{source} has to stay as it is while it is stored as {key}: it "
                    f"had {before.st_size:,} bytes, {size:,} were stored",
                )
        return Stored(key, sha256, size)

    def fetch(self, key: str, sha256: str, target: Path) -> None:
        """Copy `key` to `target`. Raises ArtifactDamaged unless the bytes have this hash."""
        try:
            with self._reached():
                self._fs.get_file(self._path(key), str(target))
        except FileNotFoundError as error:
            raise ArtifactDamaged(f"{key} is missing from the artifact store") from error
        if (found := sha256_of(target)) != sha256:
            raise ArtifactDamaged(f"{key} has sha256 {found}, expected {sha256}")

    @contextmanager
    def open(self, key: str, size: int | None = None) -> Iterator[BinaryIO]:
        """Read `key`, of `size` bytes. Raises FileNotFoundError, ArtifactDamaged."""
        with self._reached(), self._fs.open(self._path(key), "rb") as file:
            if size not in (None, file.size):
                raise ArtifactDamaged(f"{key} has {file.size:,} bytes, expected {size:,}")
            yield cast(BinaryIO, file)

    def files(self, folder: str) -> dict[str, datetime | None]:
        """The keys under `folder`, with the time of their last change where the store knows it."""
        with self._reached():
            self._fs.invalidate_cache()
            found = self._fs.find(self._path(folder), detail=True)
        return {path[len(self._root) + 1 :]: _modified(info) for path, info in found.items()}

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

    @contextmanager
    def _placed_locally(self, path: str, source: Path) -> Iterator[tuple[str, int]]:
        """Hash and length of what was copied, which gets its name when nothing is raised."""
        target = Path(path)
        _make_folder(target.parent)
        part = target.with_name(f".{target.name}.part")
        try:
            sha256 = _copy(source, part)
            yield sha256, part.stat().st_size
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)  # a full disk must not stay full because of it
        _sync_folder(target.parent)

    @contextmanager
    def _placed_remotely(self, path: str, source: Path) -> Iterator[tuple[str, int]]:
        """The same; what is stored already when something is raised is removed."""
        try:
            sha256 = sha256_of(source)
            with self._reached():
                self._fs.put_file(str(source), path)
                self._fs.invalidate_cache()
                size = int(self._fs.info(path)["size"])
            yield sha256, size
        except BaseException:
            with suppress(Exception):  # nothing is there, or it is found in a day
                self._fs.rm_file(path)
            raise


def _state(found: os.stat_result) -> tuple[int, ...]:
    """Another one says that a file was written to, or replaced."""
    return found.st_ino, found.st_size, found.st_mtime_ns


def _modified(info: Mapping[str, Any]) -> datetime | None:
    found = next((info[name] for name in _MODIFIED if info.get(name) is not None), None)
    if isinstance(found, str):
        found = datetime.fromisoformat(found)
    if isinstance(found, datetime):
        return found.astimezone(UTC)
    return None if found is None else datetime.fromtimestamp(found, UTC)


def _copy(source: Path, target: Path) -> str:
    """The SHA-256 of what was read. Buffered files take all that they are given, or raise."""
    found = hashlib.sha256()
    with source.open("rb") as read, target.open("wb") as write:
        while block := read.read(_BLOCK):
            found.update(block)
            write.write(block)
        write.flush()
        os.fsync(write.fileno())
    return found.hexdigest()


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


def sha256_of(path: Path) -> str:
    """The hash of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
