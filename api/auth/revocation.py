"""What is open ends when its key does: the keys of all streams and waits are asked about again.

One small SELECT every few seconds, however many there are of either.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress

from api.auth import tokens
from api.auth.quotas import Streams
from contract.store.database import Database

log = logging.getLogger(__name__)

_LOOK_SECONDS = 2.0


class Lockout:
    """Belongs to the event loop. It calls `wake` when somebody has lost a place."""

    def __init__(self, database: Database, streams: Streams, wake: Callable[[], None]) -> None:
        self._database = database
        self._streams = streams
        self._wake = wake

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look every few seconds whether the keys of all that is open still hold."""
        looking = asyncio.create_task(self._run())
        try:
            yield
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if keys := self._streams.keys:
                await self._look(keys)

    async def _look(self, keys: Collection[str]) -> None:
        try:
            ended = await asyncio.to_thread(self._ended, keys)
        except Exception as error:  # whatever it is, those who wait must go on after it
            log.warning("Keys cannot be asked about; what is open stays open: %s", error)
            return
        if ended:
            self._streams.lose(ended)
            self._wake()

    def _ended(self, keys: Collection[str]) -> set[str]:
        with self._database.reading() as session:
            return tokens.ended(session, keys)
