"""A job's events as server-sent events (HTML standard, section 9.2)."""

import random
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, aclosing

from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from api.auth.quotas import Place
from api.jobs import responses
from api.jobs.channel import Channel
from api.jobs.event_feed import Feed
from api.jobs.news import News
from contract.store.status import TERMINAL, Status

MEDIA_TYPE = "text/event-stream"
# Proxies commonly cut what is silent for 60 s, some for 30.
HEARTBEAT_SECONDS = 15.0
# Of a random choice, so that the clients of a restarted API do not all come back at once.
_RETRY_MILLISECONDS = (1_000, 3_000)
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept"}
_BROKEN_OFF = b": broken off before the end: connect again with Last-Event-ID\n\n"
_LOCKED_OUT = b": the key was revoked, or has expired\n\n"


class EventStream(StreamingResponse):
    """The events of a job after `seq`, those to come included, and `end` when it has ended.

    `place` is entered for as long as the client is there; what it raises is still an answer. Where
    it is lost the stream breaks off, and who comes back with the same key is told why.
    A client that does not read stops this stream alone: some 128 KiB wait for it, and here are its
    position and a page at most. After 30 s in which it took nothing it is cut off
    (api.http.wire.outgoing).
    """

    media_type = MEDIA_TYPE

    def __init__(
        self, feed: Feed, job_id: str, read: News, seq: int, place: AbstractContextManager[Place]
    ) -> None:
        super().__init__((), headers=_HEADERS)
        self.feed = feed
        self.job_id = job_id
        self.read = read
        self.seq = seq
        self.place = place
        self.channel = Channel()

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        listening = self.feed.listening(self.job_id, self.read)
        with self.place as place, listening as self.channel:
            async with aclosing(self._blocks(place)) as self.body_iterator:
                await super().__call__(scope, receive, send)

    async def _blocks(self, place: Place) -> AsyncGenerator[bytes]:
        yield format_sse_event(retry=random.randint(*_RETRY_MILLISECONDS))
        while not (last := self._last(place)):
            told = await self.feed.after(
                self.job_id, self.channel, self.seq, HEARTBEAT_SECONDS, place
            )
            if told:
                # At once: each part costs more than the events in it.
                yield b"".join(each.block for each in told)
                self.seq = told[-1].seq
            elif not self._last(place):
                yield KEEPALIVE_COMMENT
        yield last

    def _last(self, place: Place) -> bytes:
        """What the stream ends with; nothing while it goes on."""
        if place.lost:
            return _LOCKED_OUT
        if self.channel.status in TERMINAL and self.seq >= self.channel.seq:
            return self._end()
        return _BROKEN_OFF if self.feed.closed or self.channel.gone else b""

    def _end(self) -> bytes:
        """Without an id: who comes back after it names the last event, and is told to stop."""
        end = responses.StreamEnd(job=self.job_id, status=Status(self.channel.status))
        return format_sse_event(event="end", data_str=end.model_dump_json())
