"""A look at one job: one small SELECT as long as nothing has changed, and two more while the job is
in the queue, where its place depends on other jobs and on the workers. None needs a transaction."""

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from threading import Lock

from sqlalchemy import Connection

from api.auth.caller import Caller
from api.http.etags import tag_of
from api.jobs import queries as job_queries
from api.jobs import render, responses
from api.jobs.dependencies import own
from api.jobs.long_poll import Seen
from api.jobs.queries import JobRow
from api.jobs.queue_position import waiting
from contract.settings import Settings
from contract.store.database import Database
from contract.store.status import TERMINAL

# Another version of the service may say the same otherwise.
_FORM = sha256(repr(responses.Job.model_json_schema()).encode()).hexdigest()
# 5 MB at most.
_KEPT, _KEPT_CHARACTERS = 500, 10_000


class Bodies:
    """Those that were asked for last, by their entity tags, of which all of a body follows."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()  # polls come from several threads

    def get(self, tag: str) -> str | None:
        """The body of this tag, as JSON; None where it is not kept."""
        with self._lock:
            body = self._kept.get(tag)
            if body is not None:
                self._kept.move_to_end(tag)
            return body

    def keep(self, tag: str, body: str) -> None:
        """As the newest of all."""
        if len(body) <= _KEPT_CHARACTERS:
            with self._lock:
                self._kept[tag] = body
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)


def look(
    database: Database,
    settings: Settings,
    bodies: Bodies,
    caller: Caller,
    job_id: str,
    wanted: frozenset[str],
) -> Seen:
    """The members `wanted` of the job as it is now.

    A body is rendered of one state of the database, so that its tag belongs to it. To find one
    that is kept takes no transaction: what changed between two statements has the tag of none.
    Raises NotFound.
    """
    state = partial(_state, settings=settings, caller=caller, job_id=job_id, wanted=wanted)
    with database.glancing() as connection:
        row, _, tag = state(connection)
    body = bodies.get(tag)
    if body is None:
        with database.looking() as connection:
            row, queue, tag = state(connection)
            whole = job_queries.job(connection, job_id, wanted)
            (view,) = render.jobs(connection, [whole], queue, wanted)
        body = view.model_dump_json(include=set(wanted))
        bodies.keep(tag, body)
    return Seen(body, tag, {} if row.status in TERMINAL else {row.id: row.events})


def _state(
    connection: Connection, settings: Settings, caller: Caller, job_id: str, wanted: frozenset[str]
) -> tuple[JobRow, Mapping[str, responses.Queue], str]:
    """The job's row, its place in the queue while it has one, and the tag of what follows from
    them. Raises NotFound."""
    row = own(partial(job_queries.job_state, connection), job_id, caller)
    queue = waiting(connection, [row], settings) if "queue" in wanted else {}
    return row, queue, _tag(row, queue.get(row.id), wanted)


def _tag(row: JobRow, queue: responses.Queue | None, wanted: frozenset[str]) -> str:
    """Of all that the answer follows from.

    Each change of the row is an event, but for the progress within an epoch; `updated_at` tells
    two histories apart, should a copy of the database have been put back.
    """
    return tag_of(
        _FORM, row.id, row.events, row.updated_at, row.epoch_fraction, queue, sorted(wanted)
    )
