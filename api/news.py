"""What became of jobs since it was last asked: their newest events, ready for the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fastapi.sse import format_sse_event
from sqlmodel import Session, col, select

from api import present, queries
from contract.database import Database
from contract.tables import Event, Job

# Events of a job that its listeners share, and those of a page.
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
        with self._database.reading() as session:
            found = news(session, known)
        self._state = state
        return found


def news(session: Session, known: Mapping[str, int]) -> dict[str, News]:
    """By job, given the seq that is known of each; a job that is gone is left out.

    Of a job with more than KEPT new events the last KEPT, and none where the known seq is 0.
    """
    ids = list(known)
    found: dict[str, News] = {}
    for start in range(0, len(ids), _AT_ONCE):
        wanted = col(Job.id).in_(ids[start : start + _AT_ONCE])
        for id_, seq, status in session.exec(
            select(Job.id, Job.events, Job.status).where(wanted)
        ).all():
            told = events(session, id_, max(known[id_], seq - KEPT)) if 0 < known[id_] < seq else ()
            found[id_] = News(seq, status, told)
    return found


def events(session: Session, job_id: str, seq: int) -> Sequence[Told]:
    """The first KEPT events after `seq`."""
    rows, _ = queries.events(session, job_id, queries.EventPage(after=seq, limit=KEPT))
    return [_told(row) for row in rows]


def _told(row: Event) -> Told:
    data = present.event(row).model_dump_json()
    return Told(row.seq, format_sse_event(id=str(row.seq), event=row.type, data_str=data))
