"""GET of one job, which clients ask again and again: what it costs while nothing has changed.

As long as nothing at all was committed, an earlier answer holds. When something was, a client that
has the answer already (If-None-Match) costs one small SELECT, and three more while the job is in
the queue, where its place depends on other jobs and on the workers.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from threading import Lock

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

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
# A worker may fall silent, of which nothing is committed.
_HOLDS_SECONDS = 1.0


# Whose, which job, and with which members.
Question = tuple[str, str, frozenset[str]]


@dataclass(frozen=True)
class Answer:
    """`seen` when the database was in `state`."""

    seen: Seen
    state: str | None
    at: float

    def holds(self, state: str | None) -> bool:
        """Whether a look at the database in `state` would find the same."""
        recent = time.monotonic() - self.at < _HOLDS_SECONDS
        return recent and state is not None and state == self.state


class Answers:
    """What was answered last: what is not asked for any more is pushed out by what is."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Question, Answer] = OrderedDict()
        self._lock = Lock()  # polls come from several threads

    def last(self, question: Question) -> Answer | None:
        return self._kept.get(question)

    def keep(self, question: Question, answer: Answer) -> None:
        """As the newest of all."""
        if len(answer.seen.body) > _KEPT_CHARACTERS:
            return
        with self._lock:
            self._kept[question] = answer
            self._kept.move_to_end(question)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)


@dataclass(frozen=True)
class Poll:
    """One request for a job, whose answer has the members `wanted`."""

    database: Database
    settings: Settings
    answers: Answers
    caller: Caller
    job_id: str
    wanted: frozenset[str]

    async def seen(self) -> Seen:
        """The last answer, as long as it holds, or `look`: in a thread, because it may have to
        wait. Raises NotFound."""
        answer = self.answers.last(self._question)
        if answer is not None and answer.holds(self.database.changes.at_once()):
            self.answers.keep(self._question, answer)
            return answer.seen
        return await run_in_threadpool(self.look)

    def look(self) -> Seen:
        """The job as it is now. Raises NotFound."""
        state = self.database.changes.state()  # before the look: what comes between is not missed
        answer = self.answers.last(self._question)
        if answer is None or not answer.holds(state):
            seen = self._look(answer.seen if answer else None)
            answer = Answer(seen, state, time.monotonic())
        self.answers.keep(self._question, answer)
        return answer.seen

    @property
    def _question(self) -> Question:
        return self.caller.owner, self.job_id, self.wanted

    def _look(self, last: Seen | None) -> Seen:
        """In one state of the database: the tag belongs to the body."""
        with self.database.looking() as connection:
            row = own(partial(job_queries.job_state, connection), self.job_id, self.caller)
            queue = waiting(connection, [row], self.settings) if "queue" in self.wanted else {}
            tag = self._tag(row, queue.get(row.id))
            if last is not None and last.tag == tag:
                return last
            body = self._body(connection, queue)
        return Seen(body, tag, {} if row.status in TERMINAL else {row.id: row.events})

    def _body(self, connection: Connection, queue: Mapping[str, responses.Queue]) -> str:
        row = job_queries.job(connection, self.job_id, self.wanted)
        view = render.with_queue(connection, [row], queue, self.wanted)[0]
        return view.model_dump_json(include=set(self.wanted))

    def _tag(self, row: JobRow, queue: responses.Queue | None) -> str:
        """Of all that the answer follows from. Each change of the row is an event, but for the
        progress within an epoch; `updated_at` tells two histories apart, should a copy of the
        database have been put back."""
        return tag_of(
            _FORM, row.id, row.events, row.updated_at, row.epoch_fraction, queue,
            sorted(self.wanted),
        )  # fmt: skip
