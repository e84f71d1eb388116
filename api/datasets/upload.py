"""Datasets on their way in: from a request's body to a file in the artifact store, and its row."""

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool

from api.auth.caller import Caller
from api.auth.quotas import check_storage
from api.datasets.reading.formats import Media, format_of
from api.datasets.reading.options import Limits, Wanted
from api.datasets.stored_file import FULL, Shelf
from api.datasets.upload_places import Places
from contract.errors import DatasetRefused, StorageFull
from contract.settings import Settings
from contract.store.artifacts import ArtifactStore
from contract.store.database import Database
from contract.store.scratch import Scratch
from contract.store.tables import Dataset

log = logging.getLogger(__name__)

# Reading keeps a core busy, and requests need some as well.
_READERS = 2
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Sent:
    """What the sender says of a body: `media` None is to be seen, `length` is in bytes if told."""

    name: str
    media: Media | None
    wanted: Wanted
    caller: Caller
    length: int | None


class Intake:
    """Takes a few uploads at once; memory does not grow with them."""

    def __init__(self, settings: Settings, database: Database, store: ArtifactStore) -> None:
        self._settings = settings
        self._database = database
        self._shelf = Shelf(settings, database, store)
        self._scratch = Scratch(settings.var_dir / "uploads")
        self._readers = ThreadPoolExecutor(_READERS, "intake")
        self._places = Places()

    @contextmanager
    def running(self) -> Iterator["Intake"]:
        """Take uploads meanwhile. What a killed process left is removed first."""
        self._scratch.sweep()
        try:
            yield self
        finally:
            self._readers.shutdown(cancel_futures=True)
            self._scratch.close()

    async def take(self, body: AsyncIterator[bytes], sent: Sent) -> Dataset:
        """The row of what `body` holds, stored; see `Shelf` for what errors leave.

        Raises DatasetRefused, TooManyBytes, TooManyUploads, Unavailable, StorageFull, and what
        `body` raises. Once all was received, the dataset is stored even if the sender hangs up.
        """
        with (
            self._places.one_more(sent.caller) as place,
            _full_disks(),
            self._scratch.folder() as folder,
        ):
            await run_in_threadpool(self._check_storage, sent.caller)
            received = folder / "received"
            async with place.receiving(body) as pieces:
                await _receive(pieces, received, sent.length)
            run = copy_context().run  # what is logged there names the request
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._readers, run, self._take, received, sent)

    def _check_storage(self, caller: Caller) -> None:
        """Before anything is received: whether there is any room at all."""
        with self._database.reading() as session:
            check_storage(session, caller, self._settings, 1)

    def _take(self, received: Path, sent: Sent) -> Dataset:
        from api.datasets.reading.read import read  # late: NumPy takes 12 MB

        media = sent.media or format_of(received)
        limits = Limits.of(self._settings)
        found = read(received, media, sent.wanted, limits, received.parent)
        return self._shelf.keep(found, sent.name, sent.caller)


async def _receive(body: AsyncIterator[bytes], path: Path, declared: int | None = None) -> None:
    """Write `body` to `path` in blocks, each in a thread: a slow disk must not stop the loop.

    All of it: raises OSError where the file is shorter, DatasetRefused where the body is not as
    long as was `declared`.
    """
    waiting, received = bytearray(), 0
    with path.open("wb") as file:  # a buffered file takes all that it is given, or raises
        async for piece in body:
            waiting += piece
            received += len(piece)
            if len(waiting) >= _BLOCK:
                await run_in_threadpool(file.write, waiting)
                waiting = bytearray()
        await run_in_threadpool(_finish, file, waiting)
    if (stored := path.stat().st_size) != received:
        raise OSError(errno.EIO, f"{received:,} bytes were received, {stored:,} are on the disk")
    if declared not in (None, received):
        raise DatasetRefused(
            f"the body was cut off: expected {declared:,} bytes (Content-Length), received "
            f"{received:,}: send the whole file"
        )


def _finish(file: BinaryIO, rest: bytes | bytearray) -> None:
    file.write(rest)
    file.flush()


@contextmanager
def _full_disks() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        log.exception("an upload did not fit")
        raise StorageFull(
            "the server's disk has no room for this dataset: delete one that is no longer needed, "
            "or tell who runs the server"
        ) from error
