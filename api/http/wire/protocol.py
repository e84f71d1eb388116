"""HTTP on the wire: uvicorn's fast parser, but with bounds on what a client may make us wait for.

uvicorn itself bounds neither the size of a request's head, nor how many wait on a connection, nor
the time that a request takes to arrive. The pace is what Apache's mod_reqtimeout asks for, but of
each 20 s: 500 bytes a second.
"""

import asyncio
from asyncio import TimerHandle
from typing import Any

from httptools import HttpParserError
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from api.http import allowed_hosts, raw_refusal
from api.http.wire.parser import feed
from api.http.wire.sending import SendingProtocol

# To close at once, with bytes still unread, would take the answer from the client too (RST).
_LINGER_SECONDS = 2.0
# Requests that came while an earlier one is answered; hardly any client sends even one.
_MOST_WAITING = 16


class BoundedProtocol(SendingProtocol):
    """A connection. `_unread` counts bytes since the parser last had something to hand over: a
    head, a piece of a body. Until then it keeps them, be it a head or what comes after a body."""

    max_head_bytes: int
    patience_seconds = 20.0
    bytes_per_second = 500

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unread = 0
        self._refused = False
        self._arriving = False  # from a message's first byte to its last
        self._pace: TimerHandle | None = None
        self._restart_clock()

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch(self.patience_seconds)  # who connects and says nothing is slow as well

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._pace is not None:
            self._pace.cancel()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unread += len(data)
        self._received += len(data)
        self._unset_keepalive_if_required()
        try:
            feed(self, data)
        except HttpParserError:
            self._refuse(400, "expected HTTP/1.1; Invalid HTTP request received.")
        if self._unread > self.max_head_bytes:
            self._refuse_head(f"{self._unread:,} and more")
        elif self._pace is None and self._waiting:
            self._watch(self.patience_seconds)

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arriving = True
        self._restart_clock()

    @override
    def on_headers_complete(self) -> None:
        if self._refused or self.parser.should_upgrade():
            return
        self._unread = 0
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self.max_head_bytes:
            self._refuse_head(f"{size:,}")
        elif fault := allowed_hosts.fault_in(self.headers, self.parser.get_http_version()):
            self._refuse(400, fault)
        elif len(self.pipeline) >= _MOST_WAITING:
            self._refused = True  # what is waiting is answered still
            self.cycle.keep_alive = False
        else:
            super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        self._unread = 0
        if not self._refused:
            super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._unread = 0
        self._arriving = False
        if not self._refused:
            super().on_message_complete()

    @property
    def _waiting(self) -> bool:
        """For the first byte of a connection, or for the rest of something."""
        return self._arriving or self._unread > 0 or self.cycle is None

    def _restart_clock(self) -> None:
        self._began, self._received = self.loop.time(), 0

    def _watch(self, seconds: float) -> None:
        self._pace = self.loop.call_later(seconds, self._check_pace)

    def _check_pace(self) -> None:
        """Give up a client that is too slow; one that we ourselves keep waiting is not."""
        self._pace = None
        if self._refused or not self._waiting:
            return
        spent = self.loop.time() - self._began
        if spent < self.patience_seconds:
            self._watch(self.patience_seconds - spent)
        elif self.flow.read_paused or self._received >= spent * self.bytes_per_second:
            self._restart_clock()
            self._watch(self.patience_seconds)
        elif self._arriving or self._unread:
            detail = f"{self._received:,} bytes came in {spent:.0f} s, and no end: send faster"
            self._refuse(408, detail)
        else:
            self.transport.close()

    def _refuse_head(self, received: str) -> None:
        detail = (
            f"expected a head of at most {self.max_head_bytes:,} bytes (PLATEAU_MAX_HEADER_BYTES); "
            f"received {received}"
        )
        self._refuse(431, detail)

    def _refuse(self, status: int, detail: str) -> None:
        """Answer, unless that would be taken for another request's answer, and read no more."""
        if self._refused:
            return
        self._refused = True
        if self._may_answer():
            self.transport.write(raw_refusal.answer(status, detail))
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.flow.resume_reading()
        self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def _may_answer(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn does not admit the None
        if cycle is None or cycle.response_complete:
            return True
        return cycle.more_body and not cycle.response_started and not self.pipeline
