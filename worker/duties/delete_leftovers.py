"""Files that no row names: whoever wrote them was killed before a row did, or could not remove them
when none did any more."""

import logging
import re
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice

from sqlmodel import Session, col, select

from contract.experiment.datasets import CATALOGUE
from contract.ids import DATASET, JOB, made_at
from contract.settings import Settings
from contract.store import clock
from contract.store.artifacts import ArtifactStore
from contract.store.database import Database
from contract.store.scratch import Scratch
from contract.store.tables import Dataset, Job, Worker
from worker.duties.clear_ended_jobs import named

log = logging.getLogger(__name__)

# What is younger may be on its way to be named.
AGE = timedelta(days=1)
_OWNER = re.compile(rf"(?:jobs|datasets)/\.?(?P<id>{JOB.form}|{DATASET.form})")
_FIRST_WORKER = select(Worker.started_at).order_by(col(Worker.started_at)).limit(1)
_AT_ONCE = 500


def sweep(settings: Settings, database: Database, store: ArtifactStore) -> None:
    """Remove them once they are a day old, in the store and in this node's own folders.

    Several at once are safe. What has no owner in this database is left alone where it may be
    another one's: where it is older than the first worker here.
    """
    _sweep_store(database, store)
    Scratch(settings.var_dir / "scratch").sweep()
    # What was being written there, under hidden names, when its writer was killed.
    for folder, hidden in [
        (settings.var_dir / "arrays", ".*"),
        (settings.var_dir, "datasets"),  # where an older version kept uploads
        *((settings.data_dir, f".{name}-*") for name in CATALOGUE),
    ]:
        for left in folder.glob(hidden):
            if time.time() - left.lstat().st_mtime > AGE.total_seconds():
                shutil.rmtree(left, ignore_errors=True)


def _sweep_store(database: Database, store: ArtifactStore) -> None:
    with database.reading() as session:
        before = clock.read(session) - AGE
    for table, named_by in (("jobs", _named_by_jobs), ("datasets", _named_by_datasets)):
        owners = _owners(store.files(table), before)
        for ids in _batches(owners):
            with database.reading() as session:
                known, keys = named_by(session, ids)
                born = session.exec(_FIRST_WORKER).first()
            left = [
                key
                for id_ in ids
                if id_ in known or (born is not None and made_at(id_) > born)
                for key in owners[id_]
                if key not in keys
            ]
            for key in left:
                log.warning("%s is removed: no row has named it for a day", key)
                store.delete(key)


def _owners(files: Mapping[str, datetime | None], before: datetime) -> Mapping[str, Sequence[str]]:
    """By the id of a job or of a dataset, its files of before then; nobody else's."""
    found: dict[str, list[str]] = defaultdict(list)
    for key, at in files.items():
        owner = _OWNER.match(key)
        if owner is not None and at is not None and at < before:
            found[owner["id"]].append(key)
    return found


def _named_by_jobs(session: Session, ids: Sequence[str]) -> tuple[set[str], set[str]]:
    """Which of these jobs there are, and the keys that their rows name."""
    known = session.exec(select(Job.id).where(col(Job.id).in_(ids))).all()
    return set(known), named(session, ids)


def _named_by_datasets(session: Session, ids: Sequence[str]) -> tuple[set[str], set[str]]:
    rows = session.exec(select(Dataset.id, Dataset.key).where(col(Dataset.id).in_(ids))).all()
    return {id_ for id_, _ in rows}, {key for _, key in rows}


def _batches(ids: Iterable[str]) -> Iterator[Sequence[str]]:
    rest = iter(ids)
    while batch := list(islice(rest, _AT_ONCE)):
        yield batch
