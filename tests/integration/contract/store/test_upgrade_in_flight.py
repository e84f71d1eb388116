"""An upgrade as docs/operations.md has it, with a job half trained: nothing of it is lost."""

from pathlib import Path

from alembic import command
from sqlalchemy import MetaData, create_engine, select

from contract.store.database import Database
from contract.store.tables import Base
from migrations import upgrade as migrations
from tests import jobs
from tests.sites import FAKE, Site, site_on

EXPERIMENT = jobs.experiment().model_dump(mode="json", exclude_unset=True)
EXPERIMENT["training"] |= {"epochs": 20}


def at_first_revision(database: Database, url: str) -> None:
    """Make there what the first version would hold of the rows here."""
    engine = create_engine(url)
    with engine.begin() as there, database.engine.connect() as here:
        command.upgrade(migrations.config(there), "0001")
        first = MetaData()
        first.reflect(there)
        for name, table in first.tables.items():
            if (declared := Base.metadata.tables.get(name)) is not None:
                columns = [declared.c[column.name] for column in table.columns]
                if rows := [dict(row) for row in here.execute(select(*columns)).mappings()]:
                    there.execute(table.insert(), rows)
    engine.dispose()


def stopped_half_way(site: Site) -> str:
    with site.worker(PLATEAU_FAKE_EPOCH_SECONDS="0.1") as worker:
        job_id = site.submit(EXPERIMENT)
        site.wait_for_epoch(job_id, 3)
        assert worker.terminate() == 0
    assert 3 <= site.job(job_id).epoch < 20
    return job_id


def test_a_job_goes_on_across_all_migrations(database_url: str, tmp_path: Path) -> None:
    with site_on(f"sqlite:///{tmp_path}/old.db", "memory://", tmp_path, **FAKE) as old:
        job_id = stopped_half_way(old)
        at_first_revision(old.database, database_url)
    with site_on(database_url, "memory://", tmp_path, **FAKE) as new, new.worker():
        twin = new.submit(EXPERIMENT)
        ended = new.wait_for_end(job_id, twin)
        assert [(job.status, job.attempts) for job in ended] == [("succeeded", 2), ("succeeded", 1)]
        assert new.curve(job_id) == new.curve(twin)
        jobs.check(new.database, job_id)
