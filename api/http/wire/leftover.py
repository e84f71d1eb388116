"""Reads what is left of a body whose request is answered, so that the answer arrives.

urllib and requests send all before they read, and closing with bytes unread takes the answer from
them (RST). nginx does the same for its `lingering_close`.
"""

import asyncio
import contextlib
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_SECONDS = 30.0
_SILENT_SECONDS = 5.0
_AT_ONCE = 64


class Leftover:
    """Of one process: `now` many connections are read on at the moment."""

    now: ClassVar[int] = 0

    @classmethod
    async def read(cls, cycle: RequestResponseCycle, max_bytes: int) -> None:
        """Throw away the rest of the body: `max_bytes` and 30 s of it at most, 5 s of silence,
        and no more than 64 connections' at a time."""
        if cls.now >= _AT_ONCE:
            return
        cls.now += 1
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SECONDS):
                    await _throw_away(cycle, max_bytes)
        finally:
            cls.now -= 1


async def _throw_away(cycle: RequestResponseCycle, max_bytes: int) -> None:
    while max_bytes > 0 and cycle.more_body and not cycle.disconnected:
        async with asyncio.timeout(_SILENT_SECONDS):
            message = await cycle.receive()
        if message["type"] == "http.request":
            max_bytes -= len(message["body"])
