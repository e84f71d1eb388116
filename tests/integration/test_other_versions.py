"""Documents of other versions, over HTTP and in the worker: each costs its own part at most."""

import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect
from sqlmodel import select

from contract.store.tables import Base, Dataset, Job, Proof, Result, SignalRow, Sweep
from tests import jobs, proofs, sweeps, uploads
from tests.diagnosed import START
from tests.served import Api
from tests.sites import FAKE, Site, site_on
from tests.unit.contract.store.test_stored import changed, places, stored

DOCUMENTS: list[tuple[type[Base], str]] = [
    (Result, "diagnosis"),
    (Result, "timing"),
    (Proof, "plan"),
    (Proof, "report"),
    (Sweep, "plan"),
    (Dataset, "report"),
    (Job, "upload"),
    (Job, "metrics"),
    (Job, "error"),
    (SignalRow, "document"),
]
TRIED = 12
EXPERIMENT = jobs.experiment().model_dump(mode="json", exclude_unset=True)


def everything(api: Api, folder: Path) -> list[str]:
    """Something of all that stores documents, and all that can be asked of it."""
    job = proofs.started(api.database)
    proofs.run_all(api.database, job, proofs.HOLDS)
    proofs.prove_on(api.database)
    other = jobs.submit(api.database)
    jobs.reach(api.database, other, 0.9)
    dataset = uploads.stored(api.database, "local", folder)
    with api.database.reading() as session:
        row = session.get_one(Dataset, dataset)
        upload = {"facts": row.facts, "key": row.key, "sha256": row.sha256}
    failed = jobs.running(api.database, upload=upload, dataset={"name": dataset})
    with api.database.writing() as session:
        session.add(
            SignalRow(job_id=failed.job_id, kind="moment", step=0, fence=1, document=stored(START))
        )
        jobs.fail(session, failed)
    sweep = api.post("/v1/sweeps", **sweeps.body())["id"]
    asked = [
        f"/v1/jobs/{job}{part}" for part in ("/diagnosis", "/repairs", "/results", "/curves.csv")
    ]
    for id_ in (job, other, failed.job_id):
        asked += [f"/v1/jobs/{id_}{part}" for part in ("", "/results", "/signals", "/diagnosis")]
    asked += [f"/v1/sweeps/{sweep}", f"/v1/datasets/{dataset}", "/v1/datasets", "/v1/jobs"]
    return [*asked, f"/v1/compare?jobs={job},{other}", "/v1/sweeps", "/metrics"]


def change(api: Api, table: Any, column: str, dice: random.Random) -> tuple[Any, Any]:
    """Let another version have written a document of one of the rows: its key, what it was."""
    how = dice.choice(["gone", "null", "word", "list", "more"])
    with api.database.writing() as session:
        rows = [row for row in session.exec(select(table)).all() if getattr(row, column)]
        row = dice.choice(rows)
        before = getattr(row, column)
        setattr(row, column, changed(before, dice.choice(list(places(before))), how))
        return inspect(row).identity, before


@pytest.mark.parametrize(("table", "column"), DOCUMENTS, ids=str)
def test_whatever_is_stored_is_answered(api: Api, tmp_path: Path, table: Any, column: str) -> None:
    asked, dice = everything(api, tmp_path), random.Random(column)
    assert {path for path in asked if api.client.get(path).status_code != 200} == set()
    for _ in range(TRIED):
        key, before = change(api, table, column, dice)
        answers = {path: api.client.get(path).status_code for path in asked}
        assert not {path: status for path, status in answers.items() if status >= 500}
        with api.database.writing() as session:
            setattr(session.get_one(table, key), column, before)


def outdated(site: Site, name: str) -> str:
    """A queued job whose experiment another version took on."""
    job_id = site.submit(jobs.experiment(name=name).model_dump(mode="json", exclude_unset=True))
    with site.database.writing() as session:
        job = session.get_one(Job, job_id)
        layers = [{"type": "Maxout", "units": 3}, *job.spec["model"]["layers"]]
        job.spec = {**job.spec, "model": {"layers": layers}}
    return job_id


def test_a_job_that_this_version_does_not_take_fails_and_says_why(
    database_url: str, tmp_path: Path
) -> None:
    with site_on(database_url, "memory://", tmp_path, **FAKE) as site, site.api() as client:
        old = outdated(site, "old")
        with site.worker():
            [job] = site.wait_for_end(old)
            [after] = site.wait_for_end(site.submit(EXPERIMENT))
        retried = client.post(f"/v1/jobs/{old}/retry")
        assert client.get(f"/v1/jobs/{old}").status_code == 200
    assert (job.status, job.attempts, job.crashes) == ("failed", 1, 0)
    assert job.error is not None
    assert job.error["code"] == "unreadable"
    assert "/model/layers/0" in job.error["message"]
    assert (retried.status_code, retried.json()["title"]) == (
        409,
        "Another version of the service stored this",
    )
    assert after.status == "succeeded"
