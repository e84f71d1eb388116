"""An upgrade from each revision, with jobs, proofs and sweeps in flight: real trainers end all."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import col, select

from contract.store.status import TERMINAL
from contract.store.tables import Job, Proof, Result, Sweep
from tests import jobs, processes
from tests.sites import Site, site_on
from tests.upgrades.stored import RECORDED, restore

OF_A_JOB = ("", "/curves", "/curves.csv", "/signals", "/events")
OF_AN_ENDED_JOB = ("/results", "/diagnosis")
# By turns, so that both databases come to know both halves.
ON = [(revision, ("sqlite", "postgres")[n % 2]) for n, revision in enumerate(RECORDED)]


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


def rows(site: Site, table: type[Any]) -> list[Any]:
    with site.database.reading() as session:
        return list(session.exec(select(table).order_by(col(table.id))).all())


def wait_for_the_end(site: Site) -> None:
    """Of all, also of what follows by itself."""

    def over() -> bool:
        waiting = [job for job in rows(site, Job) if job.status not in TERMINAL]
        steps = [each for table in (Proof, Sweep) for each in rows(site, table)]
        return not waiting and all(step.status != "running" for step in steps)

    processes.wait_for("the end of all jobs", over, 180)


def well_known(client: httpx.Client, found: list[Job], site: Site) -> None:
    """All that can be asked of what there is is answered."""
    proofs = {proof.id for proof in rows(site, Proof)}
    asked = [
        f"/v1/jobs/{job.id}{part}"
        for job in found
        for part in (*OF_A_JOB, *(OF_AN_ENDED_JOB if job.status in TERMINAL else ()))
    ]
    asked += [f"/v1/jobs/{id_}/repairs" for id_ in proofs]
    asked += [f"/v1/sweeps/{sweep.id}" for sweep in rows(site, Sweep)]
    asked += [f"/v1/compare?jobs={found[0].id},{job.id}" for job in found[1:]]
    asked += [
        f"/v1/jobs/{found[0].id}/curves.png",
        "/v1/jobs",
        "/v1/datasets",
        "/v1/sweeps",
        "/v1/workers",
        "/metrics",
    ]
    answers = {path: client.get(path).status_code for path in asked}
    assert {path: status for path, status in answers.items() if status != 200} == {}


@pytest.mark.parametrize(("revision", "url"), ON, indirect=["url"])
def test_what_was_in_flight_comes_to_its_end(revision: str, url: str, tmp_path: Path) -> None:
    restore(revision, url, tmp_path / "var" / "artifacts")
    with site_on(url, "memory://", tmp_path) as site, site.api() as client:
        before = rows(site, Job)
        well_known(client, before, site)
        with site.worker(PLATEAU_THREADS_PER_SLOT="1"):
            wait_for_the_end(site)
        ended = {job.name: job for job in rows(site, Job) if job.parent_id is None}
        well_known(client, rows(site, Job), site)
        model = client.get(f"/v1/jobs/{ended['ended'].id}/model")
        assert (model.status_code, model.content[:2]) == (200, b"PK")
        ended_as_expected(site, before, ended)


def ended_as_expected(site: Site, before: list[Job], ended: dict[str, Job]) -> None:
    # The pruner may end cells, by what the others reached.
    own = {name: job.status for name, job in ended.items() if job.sweep_id is None}
    assert own == dict.fromkeys(own, "succeeded") | {"cancelling": "cancelled"}
    assert {proof.status for proof in rows(site, Proof)} <= {"done"}
    assert {sweep.status for sweep in rows(site, Sweep)} <= {"done"}
    for job in before:
        jobs.check(site.database, job.id)
    for name in ("running", "released"):
        job = ended[name]
        with site.database.reading() as session:
            result = session.get_one(Result, job.id)
        assert job.verdict == result.diagnosis["verdict"]
        assert result.diagnosis["causes"]
        # It went on from its checkpoint, and took no step back.
        told = [event.data.get("reason", "") for event in jobs.events(site.database, job.id)]
        assert not [reason for reason in told if "its checkpoint" in reason]
