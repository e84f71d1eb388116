"""News for all who wait: one poller per process asks the database for everybody.

It looks again so soon that nobody notices, because it asks about the topics (`api.jobs.news`) only
when something was committed since it asked last.

A stream or a long poll keeps nothing but its own position, the seq of the last event it has seen,
and a stream reads what comes after it from the table.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import NamedTuple

from fastapi.sse import format_sse_event

from api.auth.quotas import NOBODYS, Place
from api.jobs import queries, responses
from api.jobs.channel import Channel
from api.jobs.news import Newest, News
from contract.store.database import Database

log = logging.getLogger(__name__)

# Between two looks, and so many times as long as the last one took: many commits and many listeners
# must not leave the process without time for anything else.
_PAUSE_SECONDS, _PAUSE_RATIO, _LONGEST_PAUSE_SECONDS = 0.02, 4, 0.25
# Events that a stream reads at once.
_PAGE = 250


class Told(NamedTuple):
    """An event as it goes over the wire; `seq` is its position in the stream."""

    seq: int
    block: bytes

    @classmethod
    def of(cls, event: responses.Event) -> "Told":
        """The event as a block of server-sent events, with its seq as the id."""
        data = event.model_dump_json()
        return cls(event.seq, format_sse_event(id=str(event.seq), event=event.type, data_str=data))


class Feed:
    """Belongs to the event loop. It asks only while somebody listens to what goes on.

    A wait ends at once for who has lost its `Place`.
    """

    def __init__(self, database: Database) -> None:
        self.closed = False
        self._channels: dict[str, Channel] = {}
        self._listened = asyncio.Event()
        # Of its own: while handlers keep all other threads busy, streams go on.
        self._thread = ThreadPoolExecutor(1, "feed")
        self._away = False
        self._joined = False  # a listener, who may have missed what was told before
        self._newest = Newest(database)
        self._database = database
        self._reader = ThreadPoolExecutor(1, "events")

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Feed"]:
        """Ask the database for all who listen, and end every wait afterwards."""
        poller = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            self.close()
            poller.cancel()
            with suppress(asyncio.CancelledError):
                await poller
            self._thread.shutdown(cancel_futures=True)
            self._reader.shutdown(cancel_futures=True)

    @property
    def listeners(self) -> int:
        """Open streams and long polls."""
        return sum(channel.listeners for channel in self._channels.values())

    def close(self) -> None:
        """End every wait, now and from now on: the server stops."""
        self.closed = True
        self.wake()

    def wake(self) -> None:
        """Let all look whether they may wait on."""
        for channel in self._channels.values():
            channel.wake()

    @contextmanager
    def listening(self, topic: str, read: News | None = None) -> Iterator[Channel]:
        """A topic's channel, kept up to date meanwhile; `read` is what the caller knows already."""
        channel = self._channels.setdefault(topic, Channel(topic))
        if channel.seq == 0 and read is not None:
            channel.take(read)
        channel.listeners += 1
        self._joined = True
        self._listened.set()
        try:
            yield channel
        finally:
            channel.listeners -= 1
            if channel.listeners == 0:
                del self._channels[topic]

    async def changed(
        self, topic: str, seen_seq: int, timeout_seconds: float, place: Place = NOBODYS
    ) -> int | None:
        """Wait until there is news for who has seen `seen_seq`; returns the newest seq.

        None when the time is up, nothing more can come, or the server stops.
        """
        with self.listening(topic) as channel, suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                if await self._beyond(channel, seen_seq, place):
                    return channel.seq
        return None

    async def ended(self, topic: str, timeout_seconds: float, place: Place) -> None:
        """Wait until nothing more can come, the time is up, or the server stops."""
        with self.listening(topic) as channel, suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while not channel.ended and self._goes_on(place):
                    await channel.moved.wait()

    async def after(
        self, job_id: str, channel: Channel, seq: int, timeout_seconds: float, place: Place
    ) -> Sequence[Told]:
        """Wait for the job's events after `seq`; returns the first of them, at most a page.

        None of them when the time is up, the job has no more to come, or the server stops.
        """
        loop = asyncio.get_running_loop()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while await self._beyond(channel, seq, place):
                    if found := await loop.run_in_executor(self._reader, self._told, job_id, seq):
                        return found
                    await asyncio.sleep(_LONGEST_PAUSE_SECONDS)
        return []

    def _told(self, job_id: str, seq: int) -> Sequence[Told]:
        """None while the database is away."""
        try:
            with self._database.looking() as connection:
                return [Told.of(each) for each in queries.events(connection, job_id, seq, _PAGE)]
        except Exception as error:  # whatever it is, the poller meets it too and tells
            log.debug("The events of %s after %d: %s", job_id, seq, error)
            return []

    async def _beyond(self, channel: Channel, seq: int, place: Place) -> bool:
        """Wait for news after `seq`; False if there will be none."""
        while not channel.beyond(seq) and not channel.ended and self._goes_on(place):
            await channel.moved.wait()
        return channel.beyond(seq) and not channel.gone and self._goes_on(place)

    def _goes_on(self, place: Place) -> bool:
        return not self.closed and not place.lost

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._listened.wait()
            topics = [topic for topic, channel in self._channels.items() if not channel.ended]
            if topics:
                began = loop.time()
                await self._poll(topics)
                pause = max(_PAUSE_SECONDS, _PAUSE_RATIO * (loop.time() - began))
                await asyncio.sleep(min(pause, _LONGEST_PAUSE_SECONDS))
            else:
                self._listened.clear()

    async def _poll(self, topics: Sequence[str]) -> None:
        loop = asyncio.get_running_loop()
        joined, self._joined = self._joined, False
        try:
            found = await loop.run_in_executor(self._thread, self._newest.of, topics, joined)
        except Exception as error:  # whatever it is, the streams must go on after it
            if not self._away:
                log.error("Events cannot be read; who waits for them goes on waiting: %s", error)
            self._away = True
            return
        if self._away:
            log.info("Events can be read again.")
        self._away = False
        if found is not None:
            for topic in topics:
                if topic in self._channels:
                    self._channels[topic].take(found.get(topic))
