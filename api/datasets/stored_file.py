"""The file of an uploaded dataset, and its row."""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from api.auth.caller import Caller
from api.auth.quotas import check_storage
from api.datasets.access import discard
from contract import ids
from contract.errors import Unavailable
from contract.settings import Settings
from contract.store import clock, deadline
from contract.store.artifacts import ArtifactStore
from contract.store.database import BUSY_SECONDS, Database
from contract.store.tables import Dataset

if TYPE_CHECKING:
    from api.datasets.reading.read import Read

log = logging.getLogger(__name__)

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_AWAY_SECONDS = 10


class Shelf:
    """The file comes before its row, and goes only where the row cannot come any more."""

    def __init__(self, settings: Settings, database: Database, store: ArtifactStore) -> None:
        self._settings = settings
        self._database = database
        self._store = store

    def keep(self, found: "Read", name: str, caller: Caller) -> Dataset:
        """The row, stored. Raises TooManyBytes, Unavailable, OSError for a full disk."""
        id_ = ids.DATASET.new()
        with _faults_of_the_store():
            stored = self._store.put(f"datasets/{id_}.npz", found.file)
        deadline.begin(BUSY_SECONDS)  # what was received and read is not to be lost now
        try:
            with self._database.writing() as session:
                check_storage(session, caller, self._settings, stored.bytes)
                row = Dataset(
                    id=id_,
                    owner=caller.owner,
                    name=name,
                    facts=vars(found.facts),
                    report=found.report.model_dump(mode="json"),
                    created_at=clock.read(session),
                    **vars(stored),
                )
                session.add(row)
        except Exception as error:
            return self._looked_up(id_, stored.key, error)
        return row

    def _looked_up(self, id_: str, key: str, error: Exception) -> Dataset:
        """The row, where only the answer to its commit was lost. Else raises `error`.

        Where the connection broke, and there is no row, the commit may still be on its way: the
        file stays, and is removed in a day if no row names it then.
        """
        with suppress(SQLAlchemyError), self._database.reading() as session:
            row = session.get(Dataset, id_)
            if row is not None:
                log.warning("%s is stored, though the answer to its commit was lost", id_)
                return row
            if not (isinstance(error, DBAPIError) and error.connection_invalidated):
                discard(self._store, key)
        raise error


@contextmanager
def _faults_of_the_store() -> Iterator[None]:
    """A full disk passes through; each kind of store has errors of its own."""
    try:
        yield
    except Exception as error:
        if getattr(error, "errno", None) in FULL:
            raise
        log.exception("the artifact store is away")
        raise Unavailable(
            "the artifact store does not take the dataset: try again", _AWAY_SECONDS
        ) from error
