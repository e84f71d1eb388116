"""Uploaded datasets: which a caller may name and see, and when one may go.

A job that is submitted on an upload while this is deleted would be left without. So `hold` and
`delete` lock the dataset's row, and one of the two transactions waits for the other and loses.
(SQLite has one writer at a time anyway.)
"""

import logging
from typing import Any

from sqlmodel import Session, col, select

from api.datasets import queries as dataset_queries
from api.datasets import render as dataset_render
from api.datasets import responses as dataset_responses
from api.http import pages
from contract import ids
from contract.errors import DatasetGone, DatasetKept, NotFound
from contract.experiment.datasets import CATALOGUE
from contract.experiment.spec import Experiment
from contract.settings import Settings
from contract.store.artifacts import ArtifactStore
from contract.store.database import Database
from contract.store.status import TERMINAL
from contract.store.tables import Dataset, Job

log = logging.getLogger(__name__)

# Jobs that a refusal names.
_NAMED = 3


def find(session: Session, id_: str, owner: str, *, lock: bool = False) -> Dataset:
    """Raises NotFound, in the same words for what is another's."""
    known = ids.DATASET.fits(id_)
    row = session.get(Dataset, id_, with_for_update=lock or None) if known else None
    if row is None or row.owner != owner:
        raise NotFound(f"There is no dataset {id_}; GET /v1/datasets lists them.")
    return row


def page(
    session: Session, owner: str, wanted: dataset_queries.DatasetPage, settings: Settings
) -> pages.Page[dataset_responses.KnownDataset]:
    """The uploads, newest first, and then the catalogue."""
    rows = dataset_queries.uploads(session, owner, wanted)
    names = [] if wanted.kind == "upload" else list(CATALOGUE)
    if wanted.after in names:
        del names[: names.index(wanted.after) + 1]
    data = [dataset_render.dataset(row) for row in rows]
    data += [dataset_render.catalogued(name, settings) for name in names]
    return pages.Page(data=data[: wanted.limit], has_more=len(data) > wanted.limit)


def upload_of(database: Database, experiment: Experiment, owner: str) -> dict[str, Any] | None:
    """What a job keeps of the upload that `experiment` names: see `contract.store.tables.Job`.

    None for a set of the catalogue, and where `owner` has no such upload: `facts_of` refuses that.
    """
    name = experiment.dataset.name
    if name in CATALOGUE:
        return None
    with database.reading() as session:
        row = session.get(Dataset, name)
    return dataset_render.upload(row) if row is not None and row.owner == owner else None


def hold(session: Session, experiment: Experiment) -> None:
    """Keep the upload that `experiment` names, if it does, from being deleted until the commit.

    Raises DatasetGone where it was deleted.
    """
    name = experiment.dataset.name
    if name in CATALOGUE:
        return
    statement = select(Dataset.id).where(Dataset.id == name)
    shared = statement.with_for_update(read=True, key_share=True)
    if session.exec(shared).first() is None:
        raise DatasetGone(
            f"the uploaded dataset {name} was deleted: upload it again, and POST the experiment "
            "with the id of the new one as dataset.name"
        )


def delete(session: Session, id_: str, owner: str) -> Dataset:
    """Delete the row, and return it: its file is to go once this is committed.

    Raises NotFound, and DatasetKept while jobs use it, or for a set of the catalogue.
    """
    if id_ in CATALOGUE:
        raise DatasetKept(f"{id_} belongs to the catalogue, which stays as it is.")
    row = find(session, id_, owner, lock=True)
    unfinished = select(Job.id).where(
        Job.owner == owner, Job.dataset == id_, col(Job.status).not_in(TERMINAL)
    )
    jobs = session.exec(unfinished.order_by(Job.id).limit(_NAMED + 1)).all()
    if jobs:
        named = ", ".join(jobs[:_NAMED]) + (" and others" if len(jobs) > _NAMED else "")
        raise DatasetKept(
            f"{id_} is used by {named}: cancel what has not ended, or wait for its end"
        )
    session.delete(row)
    return row


def discard(store: ArtifactStore, key: str) -> None:
    """Delete a file that no row names; where the store is away it stays, and the log says so."""
    try:
        store.delete(key)
    except Exception:  # each kind of store has errors of its own
        log.exception("%s is left in the artifact store, and can be deleted", key)
