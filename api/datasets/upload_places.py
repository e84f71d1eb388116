"""Places for uploads: each may fill the disk with a received file and, while it is read, with
copies of it, so there are few. They are shared so that nobody has them all."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from fastapi import HTTPException

from api.auth.caller import Caller
from contract.errors import TooManyUploads, Unavailable

UNDER_WAY = 16
_BUSY_SECONDS = 10
# Slower than this, over the last seconds, is slow: half a megabit a second.
_BYTES_PER_SECOND = 64_000
_SECONDS = 5.0


class Place:
    """An upload that is under way."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._loop = asyncio.get_running_loop()
        self._began = self._counted = self._loop.time()
        self._recent = 0.0  # bytes, those of t seconds ago counted as exp(-t / _SECONDS) each
        self._limit: asyncio.Timeout | None = None

    @asynccontextmanager
    async def receiving(self, body: AsyncIterator[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
        """`body`, to be read within. Raises HTTPException 408 once it is given up."""
        try:
            async with asyncio.timeout(None) as self._limit:
                yield self._noting(body)
        except TimeoutError:
            if self._limit is None or not self._limit.expired():
                raise
            raise HTTPException(
                408,
                f"expected {_BYTES_PER_SECOND:,} bytes a second while others wait for a place; "
                f"received {self.pace():,.0f}: try again later, or over a faster line",
            ) from None
        finally:
            self._limit = None

    async def _noting(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in body:
            self._recent = self._fresh() + len(piece)
            self._counted = self._loop.time()
            yield piece

    def _fresh(self) -> float:
        return self._recent * math.exp((self._counted - self._loop.time()) / _SECONDS)

    def pace(self) -> float:
        """Bytes a second, in the last seconds; as fast as can be while it is too young to tell, and
        while it is not this upload that is waited for."""
        young = self._loop.time() - self._began < _SECONDS
        return math.inf if young or self._limit is None else self._fresh() / _SECONDS

    def give_up(self) -> None:
        """End the upload that holds this place."""
        assert self._limit is not None, "only what is being received is given up"
        self._limit.reschedule(self._loop.time())


class Places:
    """Of one process."""

    def __init__(self) -> None:
        self._taken: set[Place] = set()

    @contextmanager
    def one_more(self, caller: Caller) -> Iterator[Place]:
        """Raises TooManyUploads where the caller has as many places as are left for others, and
        Unavailable where none is left and no upload is slow. A slow one gives up its place."""
        free = UNDER_WAY - len(self._taken)
        self._check_share(caller, free)
        if free < 1:
            self._free_one()
        place = Place(caller.owner)
        self._taken.add(place)
        try:
            yield place
        finally:
            self._taken.discard(place)

    def _check_share(self, caller: Caller, free: int) -> None:
        """While keys are off, all are one owner."""
        if caller.key_id is None:
            return
        mine = sum(place.owner == caller.owner for place in self._taken)
        if mine >= max(free, 1):
            raise TooManyUploads(
                f"{caller.owner} has {mine} uploads under way, and {free} places are left for "
                "others: wait until one has ended",
                _BUSY_SECONDS,
            )

    def _free_one(self) -> None:
        slowest = min(self._taken, key=Place.pace, default=None)
        if slowest is None or slowest.pace() >= _BYTES_PER_SECOND:
            raise Unavailable(
                f"{UNDER_WAY} uploads are under way, as many as this server takes at once: "
                "try again",
                _BUSY_SECONDS,
            )
        slowest.give_up()
        self._taken.remove(slowest)
