"""What is known of a thing while somebody waits for it."""

import asyncio
from collections import deque
from collections.abc import Sequence

from api.jobs.news import KEPT, News, Told, is_job


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
        self._kept: deque[Told] = deque(maxlen=KEPT)

    def beyond(self, seq: int) -> bool:
        """Whether there is news for who has seen `seq`."""
        return self.seq > seq if self._counts else self.seq not in (0, seq)

    def since(self, seq: int) -> Sequence[Told]:
        """The events after `seq`; none where those begin before what is kept."""
        if not self._kept or self._kept[0].seq > seq + 1:
            return []
        return [told for told in self._kept if told.seq > seq]

    def take(self, newer: News | None) -> None:
        """Note what was found, None for what is gone, and wake the listeners if it is new."""
        if newer is None:
            self.gone = self.ended = True
        elif self.seq == 0 or (newer.seq != self.seq and self._after(newer.seq)):
            if newer.told and self._kept and newer.told[0].seq > self._kept[-1].seq + 1:
                self._kept.clear()
            self._kept.extend(newer.told)
            self.seq, self.status, self.ended = newer.seq, newer.status, newer.ended
        else:
            return
        self.wake()

    def wake(self) -> None:
        self.moved.set()
        self.moved = asyncio.Event()

    def _after(self, seq: int) -> bool:
        """A job's events are numbered; what many jobs' numbers sum up to may fall."""
        return seq > self.seq or not self._counts
