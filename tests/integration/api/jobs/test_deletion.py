"""Jobs that have ended can be deleted with all that is theirs, which frees what one may store."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from contract.jobs import lifecycle
from contract.jobs.reports import Signal
from contract.proofs import lifecycle as proofs_lifecycle
from contract.store.artifacts import ArtifactStore
from contract.store.documents import read
from contract.store.tables import Base, Job, Proof, RunOf
from tests import jobs, keyring, proofs, sweeps
from tests.hostile_uploads import good_csv
from tests.keyring import ask
from tests.served import Api, problem, serving, settings_for

SIZE = 1_000


def succeeded(api: Api, owner: str = "local", size: int = SIZE, **changes: Any) -> str:
    """A job with a curve, events, signals, tags and a model of `size` bytes."""
    held = jobs.running(api.database, owner=owner, tags=["some", "tags"], **changes)
    jobs.record(api.database, held, 1, 2)
    finish(api, held, size)
    return held.job_id


def finish(api: Api, held: lifecycle.Claim, size: int = SIZE) -> None:
    file = api.settings.var_dir / "model"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"w" * size)
    kept = ArtifactStore(api.settings.artifacts_url).put(f"jobs/{held.job_id}/1.keras", file)
    row = jobs.result(held.job_id)
    row.artifacts = {"model": vars(kept)}
    with api.database.writing() as session:
        assert jobs.succeed_with(session, held, row)


def files(api: Api, job_id: str) -> list[str]:
    folder = Path(api.settings.artifacts_url) / "jobs" / job_id
    return [path.name for path in folder.rglob("*") if path.is_file()]


def rows(api: Api) -> dict[str, int]:
    """How many rows each table has."""
    with api.database.reading() as session:
        counts = {
            table.name: len(session.execute(select(*table.primary_key)).all())
            for table in Base.metadata.sorted_tables
        }
    return {name: count for name, count in counts.items() if count}


def delete(api: Api, job_id: str, status: int = 204) -> str:
    answer = api.client.delete(f"/v1/jobs/{job_id}")
    if status == 204:
        assert (answer.status_code, answer.content) == (204, b"")
        return ""
    return str(problem(answer, status)["detail"])


def test_a_job_goes_with_all_that_is_its(api: Api) -> None:
    job_id = succeeded(api)
    before = rows(api)
    assert {"jobs", "job_tags", "events", "epochs", "signals", "results"} <= before.keys()
    other = succeeded(api)
    delete(api, job_id)
    assert rows(api) == before
    assert (files(api, job_id), files(api, other)) == ([], ["1.keras"])
    assert not (Path(api.settings.artifacts_url) / "jobs" / job_id).exists()
    for path in ("", "/results", "/curves", "/events", "/model", "/diagnosis"):
        api.refused(f"/v1/jobs/{job_id}{path}", 404)
    delete(api, job_id, 404)
    assert [job["id"] for job in api.get("/v1/jobs")["data"]] == [other]
    jobs.check(api.database, other)


@pytest.mark.parametrize("status", ["queued", "running", "cancelling"])
def test_a_job_that_has_not_ended_stays(api: Api, status: str) -> None:
    job_id = jobs.submit(api.database)
    if status != "queued":
        assert jobs.claim(api.database, job_id)
    if status == "cancelling":
        assert jobs.cancel(api.database, job_id) == status
    told = delete(api, job_id, 409)
    assert f"{job_id} is {status}: cancel it first, or wait" in told
    assert jobs.stored(api.database, job_id).status == status


@pytest.mark.parametrize("end", ["cancelled", "failed"])
def test_however_it_ended(api: Api, end: str) -> None:
    if end == "cancelled":
        job_id = jobs.submit(api.database)
        jobs.cancel(api.database, job_id)
    else:
        held = jobs.running(api.database)
        job_id = held.job_id
        with api.database.writing() as session:
            jobs.fail(session, held)
    delete(api, job_id)
    assert rows(api) == {}


def test_someone_elses_is_no_job(keyed: Api) -> None:
    mine, yours = (keyring.make(keyed, owner) for owner in ("me", "you"))
    reader = keyring.make(keyed, "me", "read")
    job_id = succeeded(keyed, "me")
    path = f"/v1/jobs/{job_id}"
    assert ask(keyed, yours, path, "DELETE").status_code == 404
    assert ask(keyed, reader, path, "DELETE").status_code == 403
    assert ask(keyed, None, path, "DELETE").status_code == 401
    assert ask(keyed, mine, path, "DELETE").status_code == 204


def test_its_key_is_free_again(api: Api) -> None:
    body = jobs.experiment().model_dump(mode="json", exclude_unset=True)
    key = {"Idempotency-Key": "once"}
    first, again = (api.client.post("/v1/jobs", json=body, headers=key).json() for _ in range(2))
    assert first["id"] == again["id"]
    jobs.cancel(api.database, first["id"])
    delete(api, first["id"])
    new = api.client.post("/v1/jobs", json=body, headers=key)
    assert new.status_code == 202
    assert new.json()["id"] != first["id"]


def test_what_it_was_run_again_as_stays(api: Api) -> None:
    job_id = succeeded(api)
    again = api.post(f"/v1/jobs/{job_id}/retry")["id"]
    delete(api, job_id)
    assert api.get(f"/v1/jobs/{again}")["retry_of"] == job_id


def prove(api: Api, id_: str, job: str, other: str | None = None) -> tuple[Proof, Sequence[str]]:
    """A running proof with two runs, which train."""
    with api.database.writing() as session:
        about = session.get_one(Job, job)
        at = about.created_at
        if other is None:
            proof = proofs_lifecycle.repairs_of(about, at=at)
        else:
            proof = proofs_lifecycle.hybrids_of(about, session.get_one(Job, other), at=at)
        session.add(proof)
        session.flush()
        of = RunOf(job, proof.id, "unit")
        spec = jobs.experiment()
        runs = [jobs.queue(session, spec, owner=about.owner, run_of=of) for _ in range(2)]
    assert proof.id == id_
    return proof, runs


def end_proof(api: Api, proof: Proof, runs: Sequence[str]) -> None:
    for run in runs:
        held = jobs.claim(api.database, run)
        assert held is not None
        finish(api, held)
    with api.database.writing() as session:
        taken = proofs_lifecycle.take(session, proof.id, 1)
        assert taken is not None
        proofs_lifecycle.finish(session, taken, {})


def test_with_a_job_go_its_proofs_and_their_runs(api: Api) -> None:
    job_id, other, third = (succeeded(api) for _ in range(3))
    before = rows(api)
    repairs, its = prove(api, job_id, job_id)
    told = delete(api, job_id, 409)
    assert f"the proof {job_id}, which is running" in told
    told = delete(api, its[0], 409)
    assert "is queued" in told
    end_proof(api, repairs, its)
    pair = f"{other},{job_id}"
    hybrids, between = prove(api, pair, other, job_id)
    assert delete(api, job_id, 409)
    end_proof(api, hybrids, between)
    # A comparison of a run of the proof goes with it as well.
    last, of_run = prove(api, f"{its[0]},{third}", its[0], third)
    assert delete(api, job_id, 409)
    end_proof(api, last, of_run)
    delete(api, job_id)
    after = {name: count // 3 * 2 for name, count in before.items()}
    assert rows(api) == after
    gone = [job_id, *its, *between, *of_run]
    assert not any(files(api, each) for each in gone)
    assert files(api, other) == files(api, third) == ["1.keras"]


def test_a_run_of_a_running_proof_stays_though_it_has_ended(api: Api) -> None:
    job_id = succeeded(api)
    proof, runs = prove(api, job_id, job_id)
    held = jobs.claim(api.database, runs[0])
    assert held is not None
    finish(api, held)
    assert f"a run of the proof {proof.id}, which is running" in delete(api, runs[0], 409)
    jobs.cancel(api.database, runs[1])
    assert f"POST /v1/jobs/{job_id}/repairs/cancel" in delete(api, job_id, 409)
    api.post(f"/v1/jobs/{job_id}/repairs/cancel", 200)
    delete(api, runs[0])
    assert len(proofs.runs(api.database, job_id)) == 1
    delete(api, job_id)
    assert rows(api) == {}


def test_a_run_of_a_sweep_goes_once_that_has_ended(api: Api) -> None:
    key = {"Idempotency-Key": "sweep"}
    body = sweeps.body()
    sweep = api.client.post("/v1/sweeps", json=body, headers=key).json()
    first, second = (cell["runs"][0]["job"] for cell in sweep["cells"])
    jobs.cancel(api.database, first)
    assert f"POST /v1/sweeps/{sweep['id']}/cancel" in delete(api, first, 409)
    api.post(f"/v1/sweeps/{sweep['id']}/cancel", 200)
    delete(api, first)
    told = api.get(f"/v1/sweeps/{sweep['id']}")
    assert [[run["job"] for run in cell["runs"]] for cell in told["cells"]] == [[], [second]]
    again = api.client.post("/v1/sweeps", json=body, headers=key)
    assert again.json()["id"] == sweep["id"], "it is no other sweep"
    delete(api, second)
    assert api.get(f"/v1/sweeps/{sweep['id']}")["best"] is None
    new = api.client.post("/v1/sweeps", json=body, headers=key)
    assert new.json()["id"] != sweep["id"]


def test_many_deletes_and_proofs_at_once(api: Api) -> None:
    """Each is answered, and either the proof has its job, or both are gone."""
    for _ in range(10):
        job_id = proofs.diagnosed(api.database)
        statuses: list[int] = []

        def ask_for(method: str, path: str, found: list[int] = statuses) -> None:
            found.append(api.client.request(method, path).status_code)

        path = f"/v1/jobs/{job_id}"
        asked = [("DELETE", path), ("POST", f"{path}/repairs"), ("DELETE", path), ("GET", path)]
        threads = [threading.Thread(target=ask_for, args=each) for each in asked]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(statuses) <= {200, 202, 204, 404, 409}
        with api.database.reading() as session:
            there = session.get(Job, job_id) is not None
            runs = session.exec(select(Job.id).where(Job.parent_id == job_id)).all()
            proof = session.get(Proof, job_id)
        assert bool(runs) == (proof is not None)
        assert there or proof is None
        for run in runs:
            jobs.cancel(api.database, run)


def test_what_is_stored_is_counted_as_it_comes_and_goes(api: Api) -> None:
    def stored() -> int:
        return int(api.get("/v1/usage")["stored_bytes"])

    held = jobs.running(api.database)
    for epoch, expected in ((1, 10), (2, 20), (3, 20)):
        before = jobs.stored(api.database, held.job_id).checkpoint
        point = jobs.checkpoint(held, epoch)
        sized = lifecycle.Checkpoint(point.key, point.sha256, bytes=10)
        new = sized.after(read(lifecycle.Checkpoint, before) if before else None)
        losses: list[Signal] = []
        with api.database.writing() as session:
            rows_ = [jobs.finished(epoch)]
            assert lifecycle.record(session, held, rows_, losses, new, lease_seconds=60)
        assert stored() == expected
    finish(api, held)
    assert stored() == SIZE
    told = api.get("/v1/usage")
    assert (told["job_bytes"], told["dataset_bytes"], told["max_stored_bytes"]) == (SIZE, 0, None)
    [largest] = told["largest"]
    assert largest == {"url": f"/v1/jobs/{held.job_id}", "name": "small", "bytes": SIZE}
    api.client.delete(largest["url"])
    assert stored() == 0


def test_models_count_for_what_an_owner_may_store(sqlite_url: str, tmp_path: Path) -> None:
    body = jobs.experiment().model_dump(mode="json", exclude_unset=True)
    sweep = sweeps.body()
    settings = settings_for(sqlite_url, tmp_path, auth="keys", max_stored_bytes=3 * SIZE)
    with serving(settings) as api:
        mine, yours = (keyring.make(api, owner) for owner in ("me", "you"))
        ids = [succeeded(api, "me", size) for size in (SIZE, SIZE + 1)]
        accepted = ask(api, mine, "/v1/jobs", "POST", json=body)
        assert accepted.status_code == 202
        ids.append(succeeded(api, "me", SIZE - 1))
        for path, document in (("/v1/jobs", body), ("/v1/sweeps", sweep)):
            refused = ask(api, mine, path, "POST", json=document)
            told = problem(refused, 429)
            assert told["type"] == "/problems/too-many-bytes"
            assert "has 3,000" in told["detail"]
            assert f"such as /v1/jobs/{ids[1]} (1,001 bytes)" in told["detail"]
            assert int(refused.headers["retry-after"]) > 0
        problem(ask(api, mine, f"/v1/jobs/{ids[0]}/retry", "POST"), 429)
        query = {"name": "pets", "label": "label"}
        upload = {"params": query, "content": good_csv(), "headers": {"Content-Type": "text/csv"}}
        problem(ask(api, mine, "/v1/datasets", "POST", **upload), 429)
        assert ask(api, yours, "/v1/jobs", "POST", json=body).status_code == 202
        usage = ask(api, mine, "/v1/usage").json()
        assert (usage["stored_bytes"], usage["max_stored_bytes"]) == (3 * SIZE, 3 * SIZE)
        assert [each["bytes"] for each in usage["largest"]] == [1001, 1000, 999]
        assert ask(api, mine, usage["largest"][0]["url"], "DELETE").status_code == 204
        assert ask(api, mine, "/v1/jobs", "POST", json=body).status_code == 202
        assert ask(api, mine, "/v1/sweeps", "POST", json=sweep).status_code == 202
        with api.database.reading() as session:
            left = session.exec(select(Job.id).where(col(Job.id).in_(ids))).all()
        assert set(left) == {ids[0], ids[2]}
