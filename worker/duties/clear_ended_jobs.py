"""What a job that has ended leaves in the artifact store: what its rows name, and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text, update
from sqlmodel import Session, col, select

from contract.store.artifacts import ArtifactStore
from contract.store.database import Database
from contract.store.status import TERMINAL
from contract.store.tables import Job, Result

_AT_ONCE = 100


def clear_all(database: Database, store: ArtifactStore) -> None:
    """Clear the jobs that ended while nobody held them. Several at once are safe.

    Whoever ends such a job says so in its row, so that none is forgotten.
    """
    while job_ids := _uncleared(database):
        for job_id in job_ids:
            clear(database, store, job_id)
        with database.writing() as session:
            done = update(Job).where(col(Job.id).in_(job_ids))
            session.execute(done.values(uncleared=False, stored_bytes=0))


def clear(database: Database, store: ArtifactStore, job_id: str) -> None:
    """Remove the files of a job that no row names, once it has ended."""
    with database.reading() as session:
        status = session.exec(select(Job.status).where(Job.id == job_id)).first()
        if status not in TERMINAL:
            return None
        kept = named(session, [job_id])
    folder = f"jobs/{job_id}"
    if not kept:
        return store.delete(folder)
    places = {_place(key) for key in kept}
    left = [key for key in store.files(folder) if key not in kept]
    for key in {key if _place(key) in places else _place(key) for key in left}:
        store.delete(key)
    return None


def named(session: Session, job_ids: Sequence[str]) -> set[str]:
    """The keys of the files that the rows of these jobs name."""
    rows = session.exec(
        select(Job.checkpoint, Result.artifacts)
        .outerjoin(Result, col(Result.job_id) == Job.id)
        .where(col(Job.id).in_(job_ids))
    )
    keys: set[str] = set()
    for checkpoint, artifacts in rows:
        keys |= _checkpoints(checkpoint)
        keys |= {kept["key"] for kept in (artifacts or {}).values()}
    return keys


def _checkpoints(stored: Mapping[str, Any] | None) -> set[str]:
    """The keys in a job's checkpoint and those before it, whichever version stored it."""
    if not stored:
        return set()
    return {str(stored.get("key"))} | _checkpoints(stored.get("before"))


def _uncleared(database: Database) -> Sequence[str]:
    with database.reading() as session:
        return session.exec(select(Job.id).where(text("uncleared")).limit(_AT_ONCE)).all()


def _place(key: str) -> str:
    """A file of the job's folder, or a folder within it."""
    return "/".join(key.split("/")[:3])
