"""How many more jobs an owner may have in the queue, whoever makes them."""

import sys

from sqlalchemy import func
from sqlmodel import Session, col, select

from contract.settings import Settings
from contract.store.status import Status
from contract.store.tables import LOCAL, Job

# Any number that no other advisory lock has.
_LOCK = 0x706A


def waiting(session: Session, owner: str) -> int:
    """The owner's queued jobs."""
    queued = select(func.count()).where(Job.owner == owner, col(Job.status) == Status.QUEUED)
    return session.exec(queued).one()


def room(session: Session, owner: str, settings: Settings) -> int:
    """Jobs that fit; below 0 where a limit was lowered. While keys are off there is no limit."""
    if owner == LOCAL and settings.auth != "keys":
        return sys.maxsize
    return settings.max_queued_jobs - waiting(session, owner)


def hold(session: Session, owner: str) -> None:
    """Until the transaction ends, let no other count the owner's jobs and then add some."""
    one_at_a_time(session, _LOCK, owner)


def one_at_a_time(session: Session, lock: int, owner: str) -> None:
    """Wait for the other transactions that hold this lock of the owner; SQLite has one writer."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(lock, func.hashtext(owner))))
