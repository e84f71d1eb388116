"""From nothing to head on both databases, and the result is the schema that the code declares."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import (
    Column,
    Engine,
    MetaData,
    String,
    Table,
    create_engine,
    inspect,
    make_url,
    text,
)
from sqlalchemy.engine.interfaces import ReflectedIndex
from sqlmodel import Session, select

from contract.store.tables import Base, Job
from migrations import upgrade as module
from migrations.upgrade import Upgrade, upgrade
from tests.upgrades.stored import RECORDED, restore

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
HEAD = str(ScriptDirectory(str(module.FOLDER)).get_current_head())
BROKEN_STEP = f'''
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{HEAD}"


def upgrade() -> None:
    op.create_table("half", sa.Column("n", sa.Integer()))
    op.execute("INSERT INTO half VALUES (1)")
    raise RuntimeError("this step is broken")
'''


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


def differences(engine: Engine, declared: MetaData) -> list[Any]:
    """What Alembic would have to do to make the database as declared."""
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, declared))


def _index(found: ReflectedIndex) -> dict[str, Any]:
    """Conditions of partial indexes are objects, which are never equal."""
    options = found.get("dialect_options", {})
    return {**found, "dialect_options": {name: str(value) for name, value in options.items()}}


def described(engine: Engine) -> dict[str, Any]:
    """All that the database itself knows of its tables, Alembic's own left out."""
    look = inspect(engine)
    return {
        table: {
            "columns": sorted(
                (column["name"], str(column["type"]), column["nullable"], str(column["default"]))
                for column in look.get_columns(table)
            ),
            "primary key": look.get_pk_constraint(table),
            "foreign keys": look.get_foreign_keys(table),
            "indexes": sorted((_index(index) for index in look.get_indexes(table)), key=str),
            "uniques": look.get_unique_constraints(table),
            "checks": look.get_check_constraints(table),
        }
        for table in sorted(look.get_table_names())
        if table != "alembic_version"
    }


def copy_of_declared() -> MetaData:
    copy = MetaData(naming_convention=Base.metadata.naming_convention)
    for table in Base.metadata.sorted_tables:
        table.to_metadata(copy)
    return copy


def test_from_nothing_to_head_and_again(database_url: str) -> None:
    assert upgrade(database_url) == Upgrade(None, HEAD)
    assert upgrade(database_url) == Upgrade(HEAD, HEAD)


def test_the_migrated_schema_is_the_declared_one(database_url: str, engine: Engine) -> None:
    upgrade(database_url)
    assert differences(engine, Base.metadata) == []


def test_both_ways_to_a_schema_give_the_same(database_url: str, engine: Engine) -> None:
    """Names of constraints and the order of keys too, which Alembic does not compare.

    But not the order of columns: a migration can only add to the end.
    """
    upgrade(database_url)
    migrated = described(engine)
    with engine.begin() as connection:
        Base.metadata.drop_all(connection)
        Base.metadata.create_all(connection)
    assert migrated == described(engine)
    assert len(migrated) == len(Base.metadata.tables)


def test_jobs_of_before_there_were_owners_are_local(database_url: str, engine: Engine) -> None:
    with engine.begin() as connection:
        command.upgrade(module.config(connection), "0001")
        values = {
            "id": "job_1", "name": "old", "dataset": "digits", "device": "any", "spec": {"a": 1},
            "status": "queued", "fence": 0, "events": 1, "attempts": 0, "crashes": 0, "epoch": 0,
            "epochs": 3, "epoch_fraction": 0.0, "created_at": AT, "updated_at": AT,
        }  # fmt: skip
        kept = Table("jobs", MetaData(), autoload_with=connection)
        connection.execute(kept.insert().values(values))
    upgrade(database_url)
    with Session(engine) as session:
        [job] = session.exec(select(Job)).all()
    assert (job.id, job.spec, job.created_at) == ("job_1", {"a": 1}, AT)
    assert (job.owner, job.priority, job.upload) == ("local", 0, None)


def test_of_what_jobs_of_before_took_their_epochs_tell(database_url: str, engine: Engine) -> None:
    with engine.begin() as connection:
        command.upgrade(module.config(connection), "0004")
        values = {
            "name": "old", "owner": "local", "priority": 0, "dataset": "digits", "device": "any",
            "spec": {}, "status": "running", "fence": 1, "events": 1, "attempts": 1, "crashes": 0,
            "epoch": 2, "epochs": 3, "epoch_fraction": 0.0, "created_at": AT, "updated_at": AT,
        }  # fmt: skip
        tables = MetaData()
        kept, epochs = (
            Table(name, tables, autoload_with=connection) for name in ("jobs", "epochs")
        )
        connection.execute(kept.insert(), [{"id": id_, **values} for id_ in ("job_1", "job_2")])
        row = {"job_id": "job_1", "fence": 1, "metrics": {}, "learning_rate": 0.1, "at": AT}
        rows = [{**row, "epoch": epoch, "seconds": epoch / 4} for epoch in (1, 2)]
        connection.execute(epochs.insert(), rows)
    upgrade(database_url)
    with Session(engine) as session:
        took = session.exec(select(Job.train_seconds).order_by(Job.id)).all()
    assert took == [0.75, 0.0]


def test_of_what_jobs_of_before_store_their_results_tell(database_url: str, engine: Engine) -> None:
    with engine.begin() as connection:
        command.upgrade(module.config(connection), "0006")
        values = {
            "name": "old", "owner": "local", "priority": 0, "dataset": "digits", "device": "any",
            "spec": {}, "fence": 1, "events": 1, "attempts": 1, "crashes": 0, "epoch": 2,
            "train_seconds": 0.0, "epochs": 3, "epoch_fraction": 0.0, "created_at": AT,
            "updated_at": AT, "checkpoint": {"key": "k", "sha256": "0", "before": None},
        }  # fmt: skip
        tables = MetaData()
        kept, results = (
            Table(name, tables, autoload_with=connection) for name in ("jobs", "results")
        )
        statuses = {
            "job_1": "succeeded",
            "job_2": "cancelled",
            "job_3": "queued",
            "job_4": "succeeded",
        }
        rows = [{"id": id_, "status": status, **values} for id_, status in statuses.items()]
        connection.execute(kept.insert(), rows)
        artifacts = {"model": {"key": "m", "bytes": 5_000_000_000}, "scaling": {"bytes": 7}}
        row: dict[str, Any] = {"timing": {}, "environment": {}, "diagnosis": {}}
        found = [{"job_id": "job_1", "artifacts": artifacts}, {"job_id": "job_4", "artifacts": {}}]
        connection.execute(results.insert(), [each | row for each in found])
    upgrade(database_url)
    with Session(engine) as session:
        jobs = session.exec(select(Job).order_by(Job.id)).all()
    assert [job.stored_bytes for job in jobs] == [5_000_000_007, 0, 0, 0]
    assert [job.checkpoint is not None for job in jobs] == [False, False, True, False]
    assert not any(job.uncleared for job in jobs)


def test_a_forgotten_migration_is_seen(database_url: str, engine: Engine) -> None:
    upgrade(database_url)
    declared = copy_of_declared()
    declared.tables["jobs"].append_column(Column("colour", String()))
    [(kind, _, table, column)] = differences(engine, declared)
    assert (kind, table, column.name) == ("add_column", "jobs", "colour")


def test_a_changed_type_and_a_lost_index_are_seen(database_url: str, engine: Engine) -> None:
    upgrade(database_url)
    declared = copy_of_declared()
    jobs = declared.tables["jobs"]
    jobs.c.fence.type = String()
    jobs.c.headline.nullable = False
    jobs.indexes.remove(next(i for i in jobs.indexes if i.name == "ix_jobs_owner_dataset_id"))
    found = differences(engine, declared)
    kinds = [change[0] if isinstance(change, tuple) else change[0][0] for change in found]
    assert sorted(kinds) == ["modify_nullable", "modify_type", "remove_index"]


def run_command(database_url: str, var_dir: Path) -> subprocess.Popen[str]:
    """Start `python -m migrations` as a user does."""
    return subprocess.Popen(
        [sys.executable, "-m", "migrations"],
        env=os.environ | {"PLATEAU_DATABASE_URL": database_url, "PLATEAU_VAR_DIR": str(var_dir)},
        cwd=module.FOLDER.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_upgrades_at_once_are_safe(database_url: str, tmp_path: Path) -> None:
    processes = [run_command(database_url, tmp_path) for _ in range(3)]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    done = [text for text in said if f"upgraded from nothing to revision {HEAD}" in text]
    idle = [text for text in said if f"at revision {HEAD}: nothing to do" in text]
    assert (len(done), len(idle)) == (1, 2), said


def test_the_command_hides_the_password(postgres_url: str, tmp_path: Path) -> None:
    said, _ = run_command(postgres_url, tmp_path).communicate(timeout=120)
    assert "upgraded from nothing" in said
    assert f":{make_url(postgres_url).password}@" not in said


def test_the_command_refuses_a_newer_database(sqlite_url: str, tmp_path: Path) -> None:
    upgrade(sqlite_url)
    engine = create_engine(sqlite_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from the future'"))
    engine.dispose()
    process = run_command(sqlite_url, tmp_path)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "not changed" in said
    assert "from the future" in said


def test_a_step_that_breaks_leaves_nothing_behind(
    database_url: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "migrations"
    shutil.copytree(module.FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "versions" / "9999_broken.py").write_text(BROKEN_STEP)
    monkeypatch.setattr(module, "FOLDER", copy)
    with pytest.raises(RuntimeError, match="this step is broken"):
        upgrade(database_url)
    assert inspect(engine).get_table_names() == []


def test_a_newer_database_is_refused_and_left_alone(database_url: str, engine: Engine) -> None:
    upgrade(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from the future'"))
    before = described(engine)
    with pytest.raises(CommandError, match="from the future"):
        upgrade(database_url)
    assert described(engine) == before


def test_the_folder_of_a_sqlite_file_is_made(tmp_path: Path) -> None:
    file = tmp_path / "some" / "where" / "plateau.sqlite3"
    upgrade(f"sqlite:///{file}")
    assert file.is_file()


@pytest.mark.parametrize("revision", RECORDED)
def test_what_earlier_versions_stored_is_kept(
    revision: str, database_url: str, engine: Engine, tmp_path: Path
) -> None:
    restore(revision, database_url, tmp_path / "artifacts")
    with engine.connect() as connection:
        before = connection.execute(text("SELECT id, status, epoch FROM jobs ORDER BY id")).all()
    assert upgrade(database_url) == Upgrade(revision, HEAD)
    assert differences(engine, Base.metadata) == []
    with Session(engine) as session:
        after = session.exec(select(Job.id, Job.status, Job.epoch).order_by(Job.id)).all()
    assert [tuple(row) for row in before] == [tuple(row) for row in after]
    assert {"running", "cancelling", "queued", "succeeded"} <= {status for _, status, _ in after}
