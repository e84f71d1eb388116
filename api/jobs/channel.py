"""What is known of a thing while somebody waits for it."""

import asyncio

from api.jobs.news import News, is_job


class Channel:
    """Of one topic (`api.jobs.news`). `seq` is 0 until it is known."""

    def __init__(self, topic: str = "") -> None:
        self.seq = 0
        self.status = ""
        self.ended = False  # no news will come after `seq`
        self.gone = False
        self.listeners = 0
        self.moved = asyncio.Event()
        self._counts = is_job(topic)

    def beyond(self, seq: int) -> bool:
        """Whether there is news for who has seen `seq`."""
        return self.seq > seq if self._counts else self.seq not in (0, seq)

    def take(self, newer: News | None) -> None:
        """Note what was found, None for what is gone, and wake the listeners if it is new."""
        if newer is None:
            self.gone = self.ended = True
        elif self.seq == 0 or (newer.seq != self.seq and self._after(newer.seq)):
            self.seq, self.status, self.ended = newer.seq, newer.status, newer.ended
        else:
            return
        self.wake()

    def wake(self) -> None:
        """Wake all listeners, and let the next ones wait anew."""
        self.moved.set()
        self.moved = asyncio.Event()

    def _after(self, seq: int) -> bool:
        """A job's events are numbered; what many jobs' numbers sum up to may fall."""
        return seq > self.seq or not self._counts
