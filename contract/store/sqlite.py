"""Which SQLite there is: the newer of pysqlite3's own and Python's.

Python comes with the system's, which is often one of those whose WAL loses commits. To be loaded
before TensorFlow: that brings a third one, which both would take then. (No process of the service
has both, but those of the tests have.)
"""

from contextlib import suppress
from importlib import import_module
from types import ModuleType


def journal_mode(version: tuple[int, ...]) -> str:
    """The mode for this version of SQLite: WAL, but not where its WAL-reset bug loses commits.

    The bug needs several connections that write. It is fixed in 3.51.3, 3.50.7 and 3.44.6.
    """
    fixed = (
        version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    )
    return "WAL" if fixed else "TRUNCATE"


def _newest() -> ModuleType:
    """pysqlite3 has no wheels for some machines, and is left out there."""
    found = [import_module("sqlite3")]
    with suppress(ImportError):
        found.append(import_module("pysqlite3.dbapi2"))
    return max(found, key=lambda module: tuple(module.sqlite_version_info))


DRIVER = _newest()
JOURNAL_MODE = journal_mode(DRIVER.sqlite_version_info)
