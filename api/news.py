"""What became of jobs since it was last asked: their newest events, ready for the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from fastapi.sse import format_sse_event
from sqlalchemy import Connection, select
from sqlmodel import col

from api import queries
from contract.database import Database
from contract.tables import Job

# Events of a job that its listeners share.
KEPT = 100
# Jobs a statement: SQLite before 3.32 takes 999 parameters.
_AT_ONCE = 500


class Told(NamedTuple):
    """An event as it goes over the wire; `seq` is its position in the stream."""

    seq: int
    block: bytes


@dataclass(frozen=True)
class News:
    """A job's newest seq, its status at that time, and those of its events that were asked for."""

    seq: int
    status: str
    told: Sequence[Told] = ()


class Newest:
    """Asks for the news of jobs, but only when there may be some."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._state: str | None = None

    def of(self, known: Mapping[str, int], anew: bool) -> dict[str, News] | None:
        """`news`; None where nothing was committed since the last time, unless it must be `anew`,
        because others are asked for than then."""
        state = self._database.changes.state()  # before: what comes in between is not missed
        if not anew and state is not None and state == self._state:
            return None
        self._state = None
        with self._database.looking() as connection:
            found = news(connection, known)
        self._state = state
        return found


def news(connection: Connection, known: Mapping[str, int]) -> dict[str, News]:
    """By job, given the seq that is known of each; a job that is gone is left out.

    Of a job with more than KEPT new events the last KEPT, and none where the known seq is 0.
    """
    ids = list(known)
    found: dict[str, News] = {}
    for start in range(0, len(ids), _AT_ONCE):
        wanted = col(Job.id).in_(ids[start : start + _AT_ONCE])
        rows: Any = connection.execute(
            select(col(Job.id), col(Job.events), col(Job.status)).where(wanted)
        ).all()
        for id_, seq, status in rows:
            since = max(known[id_], seq - KEPT)
            told = events(connection, id_, since, KEPT) if 0 < known[id_] < seq else ()
            found[id_] = News(seq, status, told)
    return found


def events(connection: Connection, job_id: str, seq: int, limit: int) -> Sequence[Told]:
    """The first `limit` events after `seq`."""
    return [_told(event) for event in queries.events(connection, job_id, seq, limit)]


def _told(event: queries.EventText) -> Told:
    return Told(
        event.seq, format_sse_event(id=str(event.seq), event=event.type, data_str=event.text)
    )
