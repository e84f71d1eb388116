"""A job's past for streams that are behind, a page at a time: each is read once for all that want
it at about the same time."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

from api.jobs import news
from api.jobs.news import Told
from contract.store.database import Database

log = logging.getLogger(__name__)

PAGE = 250
# Pages, and bytes of each: 8 MB at most.
_KEPT, _KEPT_BYTES = 32, 262_144
Page: TypeAlias = "asyncio.Future[Sequence[Told]]"


class Replays:
    """Belongs to the event loop. Events never change, so a page that was read stays true."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pages: OrderedDict[tuple[str, int], Page] = OrderedDict()
        # One: many would only take turns, and the handlers' time with that.
        self._thread = ThreadPoolExecutor(1, "replays")

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)

    async def after(self, job_id: str, seq: int) -> Sequence[Told]:
        """Some events after `seq`, the first ones, PAGE at most; none while the database is away.

        Pages begin at the same places for all: two that are not equally far behind share them too.
        """
        place = job_id, seq - seq % PAGE
        page = self._pages.get(place)
        # One that ended where the job did may have more now.
        if page is None or (page.done() and not _beyond(seq, page.result())):
            page = self._pages[place] = self._read(*place)
        return _beyond(seq, await asyncio.shield(page))

    def _read(self, job_id: str, start: int) -> Page:
        """Under way; who gives up waiting for it takes it from nobody else."""
        loop = asyncio.get_running_loop()
        page = loop.run_in_executor(self._thread, self._told, job_id, start)
        page.add_done_callback(lambda _: self._bound((job_id, start)))
        return page

    def _bound(self, place: tuple[str, int]) -> None:
        """Forget a page that says nothing or is large, and the oldest of too many."""
        page = self._pages.get(place)
        if page is None or not page.done():
            return
        size = 0 if page.cancelled() else sum(len(told.block) for told in page.result())
        if not 0 < size <= _KEPT_BYTES:
            del self._pages[place]
        while len(self._pages) > _KEPT:
            self._pages.popitem(last=False)

    def _told(self, job_id: str, start: int) -> Sequence[Told]:
        try:
            with self._database.looking() as connection:
                return news.events(connection, job_id, start, PAGE)
        except Exception as error:  # whatever it is, the poller meets it too and tells
            log.debug("The events of %s after %d: %s", job_id, start, error)
            return []


def _beyond(seq: int, page: Sequence[Told]) -> Sequence[Told]:
    return [told for told in page if told.seq > seq]
