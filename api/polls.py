"""GET of one job, which clients ask again and again: what it costs while nothing has changed.

A client that names the tag it has (If-None-Match) costs one small SELECT, and three more while the
job is in the queue, where its place depends on other jobs and on the workers.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
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
# 5 MB at most.
_KEPT, _KEPT_CHARACTERS = 500, 10_000


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


class Bodies:
    """The answers given last, by their tags: many clients poll the same job.

    A tag is of all that its answer follows from, so what is kept here never becomes wrong, and
    what is not asked for is pushed out by what is.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, str] = OrderedDict()

    def take(self, tag: str) -> str | None:
        return self._kept.pop(tag, None)

    def keep(self, tag: str, body: str) -> None:
        """As the newest of all."""
        if len(body) <= _KEPT_CHARACTERS:
            self._kept[tag] = body
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)


@dataclass(frozen=True)
class Poll:
    """One request for a job, whose answer has the members `wanted`."""

    database: Database
    settings: Settings
    bodies: Bodies
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
            row = own(partial(queries.job_state, connection), self.job_id, self.caller)
            queue = waiting(connection, [row], self.settings) if "queue" in self.wanted else {}
            tag = self._tag(row, queue.get(row.id))
            known = named(tag, self.if_none_match)
            body = None if known else self.bodies.take(tag) or self._body(connection, queue)
        if body is not None:
            self.bodies.keep(tag, body)
        return Seen(row.events, row.status in TERMINAL, tag, body)

    def _body(self, connection: Connection, queue: Mapping[str, views.Queue]) -> str:
        row = queries.job(connection, self.job_id, self.wanted)
        view = present.with_queue(connection, [row], queue, self.wanted)[0]
        return view.model_dump_json(include=set(self.wanted))

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
