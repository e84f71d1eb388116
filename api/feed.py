"""News of jobs for all who wait for them: one poller per process asks the database for everybody.

It looks again so soon that nobody notices, because it asks about the jobs only when something was
committed since it asked last.

A stream or a long poll keeps nothing but its own position, the seq of the last event it has seen.
What a job's listeners share is bounded; one that is further behind reads the table's pages
(`api.replays`).
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress

from api.news import KEPT, Newest, News, Told
from api.replays import Replays
from contract.database import Database
from contract.status import TERMINAL

log = logging.getLogger(__name__)

# Between two looks, and so many times as long as the last one took: many commits and many listeners
# must not leave the process without time for anything else.
_PAUSE_SECONDS, _PAUSE_RATIO, _LONGEST_PAUSE_SECONDS = 0.02, 4, 0.25


class Channel:
    """What is known of a job while somebody listens. `seq` is 0 until it is known."""

    def __init__(self) -> None:
        self.seq = 0
        self.status = ""
        self.gone = False
        self.listeners = 0
        self.moved = asyncio.Event()
        self._kept: deque[Told] = deque(maxlen=KEPT)

    @property
    def ended(self) -> bool:
        """Whether no event will come after `seq`."""
        return self.gone or self.status in TERMINAL

    def since(self, seq: int) -> Sequence[Told]:
        """The events after `seq`; none where those begin before what is kept."""
        if not self._kept or self._kept[0].seq > seq + 1:
            return []
        return [told for told in self._kept if told.seq > seq]

    def take(self, newer: News | None) -> None:
        """Note what was found, None for a job that is gone, and wake the listeners if it is new."""
        if newer is None:
            self.gone = True
        elif newer.seq > self.seq:
            if newer.told and self._kept and newer.told[0].seq > self._kept[-1].seq + 1:
                self._kept.clear()
            self._kept.extend(newer.told)
            self.seq, self.status = newer.seq, newer.status
        else:
            return
        self.wake()

    def wake(self) -> None:
        self.moved.set()
        self.moved = asyncio.Event()


class Feed:
    """Belongs to the event loop. It asks only while somebody listens to a job that goes on."""

    def __init__(self, database: Database) -> None:
        self.closed = False
        self._channels: dict[str, Channel] = {}
        self._listened = asyncio.Event()
        # Of its own: while handlers keep all other threads busy, streams go on.
        self._thread = ThreadPoolExecutor(1, "feed")
        self._away = False
        self._joined = False  # a listener, who may have missed what was told before
        self._newest = Newest(database)
        self._replays = Replays(database)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Feed"]:
        poller = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            self.close()
            poller.cancel()
            with suppress(asyncio.CancelledError):
                await poller
            self._thread.shutdown(cancel_futures=True)
            self._replays.close()

    @property
    def listeners(self) -> int:
        """Open streams and long polls."""
        return sum(channel.listeners for channel in self._channels.values())

    def close(self) -> None:
        """End every wait, now and from now on: the server stops."""
        self.closed = True
        for channel in self._channels.values():
            channel.wake()

    @contextmanager
    def listening(self, job_id: str, read: News | None = None) -> Iterator[Channel]:
        """A job's channel, kept up to date meanwhile; `read` is what the caller knows already."""
        channel = self._channels.setdefault(job_id, Channel())
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
                del self._channels[job_id]

    async def changed(self, job_id: str, seen_seq: int, timeout_seconds: float) -> int | None:
        """Wait until the job has an event after `seen_seq`; returns the newest one's seq.

        None when the time is up, the job has no more to come, or the server stops.
        """
        with self.listening(job_id) as channel, suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                if await self._beyond(channel, seen_seq):
                    return channel.seq
        return None

    async def after(
        self, job_id: str, channel: Channel, seq: int, timeout_seconds: float
    ) -> Sequence[Told]:
        """Wait for the job's events after `seq`; returns some of them, the oldest first.

        None of them when the time is up, the job has no more to come, or the server stops.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while await self._beyond(channel, seq):
                    if found := channel.since(seq) or await self._replays.after(job_id, seq):
                        return found
                    await asyncio.sleep(_LONGEST_PAUSE_SECONDS)
        return []

    async def _beyond(self, channel: Channel, seq: int) -> bool:
        """Wait for an event after `seq`; False if there will be none."""
        while channel.seq <= seq and not channel.ended and not self.closed:
            await channel.moved.wait()
        return channel.seq > seq and not channel.gone and not self.closed

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._listened.wait()
            known = {id_: c.seq for id_, c in self._channels.items() if not c.ended}
            if known:
                began = loop.time()
                await self._poll(known)
                pause = max(_PAUSE_SECONDS, _PAUSE_RATIO * (loop.time() - began))
                await asyncio.sleep(min(pause, _LONGEST_PAUSE_SECONDS))
            else:
                self._listened.clear()

    async def _poll(self, known: Mapping[str, int]) -> None:
        loop = asyncio.get_running_loop()
        joined, self._joined = self._joined, False
        try:
            found = await loop.run_in_executor(self._thread, self._newest.of, known, joined)
        except Exception as error:  # whatever it is, the streams must go on after it
            if not self._away:
                log.error("Events cannot be read; who waits for them goes on waiting: %s", error)
            self._away = True
            return
        if self._away:
            log.info("Events can be read again.")
        self._away = False
        if found is not None:
            for job_id in known.keys() & self._channels.keys():
                self._channels[job_id].take(found.get(job_id))
