"""GET of one job, which clients ask again and again: what it costs while nothing has changed.

A client that names the tag it has (If-None-Match) costs one small SELECT, and three more while the
job is in the queue, where its place depends on other jobs and on the workers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from fastapi import Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from api import present, queries, views
from api.callers import Caller
from api.deps import own
from api.etags import named, tag_of
from api.queries import JobRow
from api.waiting import waiting
from contract.database import Database
from contract.settings import Settings
from contract.status import TERMINAL

# Another version of the service may say the same otherwise.
_FORM = sha256(repr(views.Job.model_json_schema()).encode()).hexdigest()


@dataclass(frozen=True)
class Seen:
    """What a look found: `seq` is the job's last event; `body` is None for who has it already."""

    seq: int
    ended: bool
    tag: str
    body: str | None

    def response(self) -> Response:
        headers = {"ETag": self.tag, "Cache-Control": "private, no-cache"}
        if self.body is None:
            return Response(status_code=304, headers=headers)
        return Response(self.body, headers=headers, media_type="application/json")


@dataclass(frozen=True)
class Poll:
    """One request for a job, whose answer has the members `wanted`."""

    database: Database
    settings: Settings
    caller: Caller
    job_id: str
    wanted: frozenset[str]
    if_none_match: Sequence[str]

    async def seen(self) -> Seen:
        """`look`, in a thread where it may have to wait. Raises NotFound."""
        return self.look() if self.database.reads_at_once else await run_in_threadpool(self.look)

    def look(self) -> Seen:
        """In one state of the database: the tag belongs to the body. Raises NotFound."""
        with self.database.looking() as connection:
            row = self._state(connection) if self.if_none_match else self._whole(connection)
            queue = waiting(connection, [row], self.settings) if "queue" in self.wanted else {}
            tag = self._tag(row, queue.get(row.id))
            body = None
            if not named(tag, self.if_none_match):
                whole = self._whole(connection) if self.if_none_match else row
                view = present.with_queue(connection, [whole], queue, self.wanted)[0]
                body = view.model_dump_json(include=set(self.wanted))
        return Seen(row.events, row.status in TERMINAL, tag, body)

    def _state(self, connection: Connection) -> JobRow:
        return own(partial(queries.job_state, connection), self.job_id, self.caller)

    def _whole(self, connection: Connection) -> JobRow:
        find = partial(queries.job, connection, fields=self.wanted)
        return own(find, self.job_id, self.caller)

    def is_news(self, seen: Seen) -> bool:
        """Whether the client has reason not to wait."""
        return seen.ended or bool(self.if_none_match and seen.body)

    def _tag(self, row: JobRow, queue: views.Queue | None) -> str:
        """Of all that the answer follows from. Each change of the row is an event, but for the
        progress within an epoch; `updated_at` tells two histories apart, should a copy of the
        database have been put back."""
        return tag_of(
            _FORM, row.id, row.events, row.updated_at, row.epoch_fraction, queue,
            sorted(self.wanted),
        )  # fmt: skip
