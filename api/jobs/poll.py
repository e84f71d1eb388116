"""A look at one job. A client that has the answer already costs one small SELECT, and two more
while the job is in the queue, where its place depends on other jobs and on the workers."""

from collections.abc import Sequence
from functools import partial
from hashlib import sha256

from api.auth.caller import Caller
from api.http.etags import named, tag_of
from api.jobs import queries as job_queries
from api.jobs import render, responses
from api.jobs.dependencies import own
from api.jobs.long_poll import Seen
from api.jobs.queue_position import waiting
from contract.settings import Settings
from contract.store.database import Database
from contract.store.status import TERMINAL

# Another version of the service may say the same otherwise.
_FORM = sha256(repr(responses.Job.model_json_schema()).encode()).hexdigest()


def look(
    database: Database,
    settings: Settings,
    caller: Caller,
    job_id: str,
    wanted: frozenset[str],
    if_none_match: Sequence[str],
) -> Seen:
    """The members `wanted` of the job as it is now; no body for who has that already.

    All is read in one state of the database: the tag belongs to the body. Raises NotFound.
    """
    with database.looking() as connection:
        # Who may have the answer mostly has it.
        fields = None if if_none_match else wanted
        row = own(partial(job_queries.job, connection, fields=fields), job_id, caller)
        queue = waiting(connection, [row], settings) if "queue" in wanted else {}
        # Of all that the answer follows from. Each change of the row is an event, but for the
        # progress within an epoch; `updated_at` tells two histories apart, should a copy of the
        # database have been put back.
        tag = tag_of(
            _FORM, row.id, row.events, row.updated_at, row.epoch_fraction, queue.get(row.id),
            sorted(wanted),
        )  # fmt: skip
        body = ""
        if not named(tag, if_none_match):
            whole = row if fields else job_queries.job(connection, job_id, wanted)
            (view,) = render.jobs(connection, [whole or row], queue, wanted)
            body = view.model_dump_json(include=set(wanted))
    return Seen(body, tag, {} if row.status in TERMINAL else {row.id: row.events})
