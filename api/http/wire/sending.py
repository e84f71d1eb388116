"""The half of a connection that sends: no faster than the client reads, and to the end.

uvicorn begins the next answer before the last has left, and closes with bytes of a body unread.
"""

import asyncio
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.http.wire.leftover import Leftover
from api.http.wire.outgoing import Outgoing


class SendingProtocol(HttpToolsProtocol):
    """A connection; `_next` is a request that waits until the transport's buffer is low."""

    max_leftover_bytes: int
    outgoing: Outgoing
    _next: tuple[RequestResponseCycle, Any] | None = None
    _answered: RequestResponseCycle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.outgoing = Outgoing(transport, self.loop)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._next = None
        if self._answered is not None:  # uvicorn tells the last that came alone
            self._answered.disconnected = True
            self._answered.message_event.set()
        super().connection_lost(exc)

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if self._next is not None:
            (cycle, app), self._next = self._next, None
            self._start_asgi_task(cycle, app)

    @override
    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self.flow.write_paused:
            self.flow.pause_reading()
            self._next = cycle, app
        else:
            self._answered = cycle
            super()._start_asgi_task(cycle, self._sending(cycle, app))

    def _sending(self, cycle: RequestResponseCycle, app: ASGIApp) -> Any:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, partial(self._send, cycle, send))

        return serve

    async def _send(self, cycle: RequestResponseCycle, send: Send, message: Message) -> None:
        if message["type"] == "http.response.start":
            if cycle.more_body:
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            return await send(message)
        if not message.get("more_body", False) and cycle.more_body:
            await self.outgoing.send(send, {**message, "more_body": True})
            await Leftover.read(cycle, self.max_leftover_bytes)
            message = {"type": "http.response.body"}
        return await self.outgoing.send(send, message)
