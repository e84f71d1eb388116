"""What became of jobs, sweeps and proofs since it was last asked.

A topic is what somebody waits for: the id of a job or a sweep, or `of_proof` a proof's. Its seq is
another number whenever its answer may be another. A job's counts its events; that of a sweep or a
proof is made of its round and of the events of all its jobs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Integer, func, select, type_coerce
from sqlmodel import col

from contract import ids
from contract.store.database import Database
from contract.store.status import TERMINAL
from contract.store.tables import Job, Proof, ProofStatus, Sweep, SweepStatus

# Topics a statement: SQLite before 3.32 takes 999 parameters.
_AT_ONCE = 500
_PROOF = "proof:"
# Of sweeps and proofs.
_RUNNING = "running"


@dataclass(frozen=True)
class News:
    """A topic's newest seq, and its status at that time."""

    seq: int
    status: str

    @property
    def ended(self) -> bool:
        """Whether nothing will come after `seq`."""
        return self.status in _ENDED


# The statuses of sweeps and proofs have no name in common with those in which a job goes on.
_ENDED = frozenset({*TERMINAL, *SweepStatus, *ProofStatus}) - {_RUNNING}


def of_proof(proof_id: str) -> str:
    """A proof's topic: its id alone is that of a job."""
    return _PROOF + proof_id


def is_job(topic: str) -> bool:
    """Whether the topic is the id of a job."""
    return topic.startswith(ids.JOB.prefix)


class Newest:
    """Asks for the news of jobs, but only when there may be some."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._state: str | None = None

    def of(self, topics: Sequence[str], anew: bool) -> dict[str, News] | None:
        """`news`; None where nothing was committed since the last time, unless it must be `anew`,
        because others are asked for than then."""
        state = self._database.changes.state()  # before: what comes in between is not missed
        if not anew and state is not None and state == self._state:
            return None
        self._state = None
        with self._database.looking() as connection:
            found = news(connection, topics)
        self._state = state
        return found


def news(connection: Connection, topics: Sequence[str]) -> dict[str, News]:
    """By topic; what is gone is left out."""
    found: dict[str, News] = {}
    for start in range(0, len(topics), _AT_ONCE):
        some = topics[start : start + _AT_ONCE]
        found |= _of_jobs(connection, [topic for topic in some if is_job(topic)])
        sweeps = [topic for topic in some if topic.startswith(ids.SWEEP.prefix)]
        found |= of_sweeps(connection, sweeps)
        proofs = [topic.removeprefix(_PROOF) for topic in some if topic.startswith(_PROOF)]
        found |= of_proofs(connection, proofs)
    return found


def _of_jobs(connection: Connection, ids: Sequence[str]) -> dict[str, News]:
    if not ids:
        return {}
    about = select(col(Job.id), col(Job.events), col(Job.status)).where(col(Job.id).in_(ids))
    rows: Any = connection.execute(about).all()
    return {id_: News(seq, status) for id_, seq, status in rows}


def of_sweeps(connection: Connection, ids: Sequence[str]) -> dict[str, News]:
    """By topic."""
    return _of_many(connection, Sweep, col(Job.sweep_id), ids)


def of_proofs(connection: Connection, ids: Sequence[str]) -> dict[str, News]:
    """By topic."""
    found = _of_many(connection, Proof, col(Job.proof_id), ids)
    return {of_proof(id_): each for id_, each in found.items()}


def _of_many(
    connection: Connection, kind: type[Sweep | Proof], owner: Any, ids: Sequence[str]
) -> dict[str, News]:
    """Of what has many jobs, which `owner` names. It ends by no event of them."""
    if not ids:
        return {}
    events_ = type_coerce(func.coalesce(func.sum(Job.events), 0), Integer)
    about = col(kind.id), col(kind.round), col(kind.status)
    rows: Any = connection.execute(
        select(*about, events_)
        .outerjoin(Job, owner == col(kind.id))
        .where(col(kind.id).in_(ids))
        .group_by(*about)
    ).all()
    return {
        id_: News(round_ + seq + (status != _RUNNING), status) for id_, round_, status, seq in rows
    }
