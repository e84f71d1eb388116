"""Waiting for something no longer than the client waits for the answer."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

T = TypeVar("T")


async def while_connected(request: Request, waiting: Coroutine[Any, Any, T]) -> T | None:
    """What `waiting` returns; None once the client has hung up, and `waiting` is cancelled."""
    answer = asyncio.create_task(waiting)
    hangup = asyncio.create_task(_hangup(request))
    try:
        await asyncio.wait({answer, hangup}, return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else None
    finally:
        answer.cancel()
        hangup.cancel()


async def _hangup(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
