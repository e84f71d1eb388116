"""Which faults may be gone when the same is tried again."""

from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from contract.store.revision import OtherSchema

# The database is away, busy, full or deadlocked; Postgres gave up on a transaction that we had
# frozen over (InternalError); the connection was closed under us (InterfaceError); someone upgrades
# the database, and this version must write nothing more (OtherSchema).
_AWAY = (OperationalError, InternalError, InterfaceError, NoConnectionFree, OtherSchema)


def passes(error: BaseException) -> bool:
    """Whether `error` is of the database's, the disk's or the network's state, or of memory.

    Any other would come again each time.
    """
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, (*_AWAY, OSError, MemoryError))
