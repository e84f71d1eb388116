"""What earlier versions stored, put back: a database of each revision, and the files behind it."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import Boolean, Column, MetaData, create_engine

from contract.store.clock import UTCDateTime
from contract.store.columns import Document
from contract.store.tables import Base
from migrations import upgrade as migrations

HERE = Path(__file__).parent
# The first two revisions were made at once: a database of the first has less of the same.
RECORDED = {"0001": "0002"} | {path.name: path.name for path in sorted(HERE.glob("0*"))}


def restore(revision: str, url: str, artifacts: Path) -> None:
    """Make the empty database at `url` one of `revision`, with jobs in flight; `artifacts` too."""
    folder = HERE / RECORDED[revision]
    shutil.copytree(folder / "artifacts", artifacts)
    engine = create_engine(url)
    with engine.begin() as connection:
        command.upgrade(migrations.config(connection), revision)
        tables = MetaData()
        tables.reflect(connection)
        known = _of_late(_rows(folder, revision))
        for table in tables.sorted_tables:
            columns = [column.name for column in table.columns]
            rows = [{name: row[name] for name in columns} for row in known.get(table.name, ())]
            if rows:
                connection.execute(table.insert(), rows)
    engine.dispose()


def _rows(folder: Path, revision: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for line in (folder / "rows.jsonl").read_text().splitlines():
        table, row = json.loads(line)
        declared = Base.metadata.tables[table].c
        found.setdefault(table, []).append({n: _value(declared[n], v) for n, v in row.items()})
    if revision == "0001":  # which knows no uploads
        kept = {job["id"] for job in found["jobs"] if job["upload"] is None}
        found = {
            table: [row for row in rows if (row.get("job_id") or row["id"]) in kept]
            for table, rows in found.items()
            if table in ("jobs", "epochs", "events", "results")
        }
    return found


def _of_late(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """All of it a minute ago, and the leases run out: a clock may be behind the recording's."""
    now = datetime.now(UTC)
    latest = max(event["at"] for event in rows["events"])
    for row in chain.from_iterable(rows.values()):
        for name, value in row.items():
            if isinstance(value, datetime):
                row[name] = min(value - latest + now - timedelta(minutes=1), now)
    return rows


def _value(column: Column[Any], stored: Any) -> Any:
    """As the column has it: in SQLite's file all is text or numbers."""
    if stored is None:
        return None
    if isinstance(column.type, Document):
        return json.loads(stored)
    if isinstance(column.type, UTCDateTime):
        return datetime.fromisoformat(stored).replace(tzinfo=UTC)
    return bool(stored) if isinstance(column.type, Boolean) else stored
