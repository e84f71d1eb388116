"""Proofs that begin by themselves within a sweep: they count as the sweep's, and are no cells."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from contract.jobs import lifecycle
from contract.jobs.lifecycle import Claim
from contract.settings import Settings
from contract.store.database import Database
from contract.store.status import TERMINAL
from contract.store.tables import Job, Proof, Result, Sweep
from contract.sweeps import lifecycle as sweeps_lifecycle
from diagnosis.report import Diagnosis
from tests import jobs, proofs, sweeps
from tests.integration.contract.jobs.test_races import at_once
from tests.integration.worker.duties.test_proofs import ALONE, TWO_FAULTS
from tests.served import Api
from worker.duties.advance_proofs import Prover, start_repairs
from worker.duties.advance_sweeps import Searcher

SEEDS = {"/training/seed": [0, 1, 2]}
EPOCHS = 2
ROUNDS = 8
SETTINGS = Settings()


def posted(api: Api, **changes: Any) -> str:
    """A sweep of three runs that prove their repairs by themselves."""
    base = sweeps.body()["base"]
    base = {**base, "repair": "auto", "training": {**base["training"], "epochs": EPOCHS}}
    return str(api.post("/v1/sweeps", **{"base": base, "axes": SEEDS, **changes})["id"])


def fail(
    database: Database, job_id: str, made: Diagnosis = proofs.SCALE, settings: Settings = SETTINGS
) -> None:
    """Train a run to its end, at which its diagnosis is `made`; as the worker ends it."""
    sweeps.train(database, job_id, *[0.1] * EPOCHS)
    end_unhealthy(database, job_id, made, settings)


def end_unhealthy(
    database: Database, job_id: str, made: Diagnosis, settings: Settings = SETTINGS
) -> bool:
    held = Claim(job_id, jobs.stored(database, job_id).fence)
    row = jobs.result(job_id)
    row.diagnosis = made.to_dict()
    told: dict[str, Any] = {"verdict": made.verdict, "headline": made.headline}
    with database.writing() as session:
        ours = lifecycle.succeed(session, held, row, metrics={"test_accuracy": 0.42}, **told)
        if ours and session.get_one(Job, job_id).status == "succeeded":
            start_repairs(session, job_id, settings)
    return ours


def trials(database: Database, sweep_id: str, *statuses: str) -> list[Job]:
    return [run for run in sweeps.runs(database, sweep_id, *statuses) if run.cell is None]


def cells(database: Database, sweep_id: str, *statuses: str) -> list[Job]:
    return [run for run in sweeps.runs(database, sweep_id, *statuses) if run.cell is not None]


def test_a_trial_counts_and_is_no_cell(api: Api) -> None:
    id_ = posted(api)
    first, *_ = cells(api.database, id_)
    fail(api.database, first.id)
    made = trials(api.database, id_)
    assert {run.proof_id for run in made} == {first.id}
    sweeps.train(api.database, made[0].id, 0.5)
    told = api.get(f"/v1/sweeps/{id_}")
    assert told["budget"]["spent_epochs"] == EPOCHS + 1
    assert told["jobs"] == {"succeeded": 1, "queued": 2}
    assert [len(cell["runs"]) for cell in told["cells"]] == [1, 1, 1]
    listed = api.get("/v1/jobs", sweep=id_)["data"]
    assert {job["id"] for job in listed} == {job.id for job in cells(api.database, id_)}
    [shown] = [
        job for job in api.get("/v1/jobs", parent=first.id)["data"] if job["id"] == made[0].id
    ]
    assert (shown["sweep_id"], shown["cell"]) == (id_, None)


def test_the_budget_ends_proofs_too(api: Api) -> None:
    """5 epochs: a cell of two, a trial of two, and one of another that is asked to stop."""
    id_ = posted(api, budget={"epochs": 5})
    first = cells(api.database, id_)[0]
    fail(api.database, first.id)
    one, other, *_ = trials(api.database, id_)
    sweeps.reach(api.database, one.id, 0.5)
    sweeps.look(api.database)
    assert sweeps.stored(api.database, id_).status == "running"
    sweeps.train(api.database, other.id, 0.5)
    sweeps.look(api.database)
    assert jobs.stored(api.database, other.id).status == "cancelling"
    sweeps.finish(api.database, other.id)
    sweeps.look(api.database)
    told = api.get(f"/v1/sweeps/{id_}")
    assert (told["status"], told["budget"]["spent_epochs"]) == ("done", 5)
    assert told["reason"] == "its budget of 5 epochs is used up"
    assert {run.status for run in sweeps.runs(api.database, id_)} <= TERMINAL
    assert proofs.stored(api.database, first.id).status == "cancelled"


def test_a_cancelled_sweep_cancels_its_proofs(api: Api) -> None:
    id_ = posted(api)
    first, second, _ = cells(api.database, id_)
    for run in (first, second):
        fail(api.database, run.id)
    sweeps.train(api.database, trials(api.database, id_)[0].id, 0.5)
    api.post(f"/v1/sweeps/{id_}/cancel", 200)
    assert {proofs.stored(api.database, run.id).status for run in (first, second)} == {"cancelled"}
    left = [run.status for run in sweeps.runs(api.database, id_) if run.status not in TERMINAL]
    assert left == ["cancelling"]
    reasons = [
        jobs.events(api.database, run.id)[-1].data["reason"] for run in trials(api.database, id_)
    ]
    assert set(reasons) == {"its sweep was cancelled"}
    proofs.prove_on(api.database)
    assert len(trials(api.database, id_, "queued")) == 0


@pytest.mark.parametrize("breaks", [False, True])
def test_a_sweep_ends_after_its_proofs(api: Api, breaks: bool) -> None:
    id_ = posted(api, axes={"/training/seed": [0]})
    [only] = cells(api.database, id_)
    searcher = Searcher(api.database, SETTINGS)
    fail(api.database, only.id, TWO_FAULTS)
    proofs.run_all(api.database, only.id, ALONE)
    searcher.search()
    assert sweeps.stored(api.database, id_).status == "running"  # another round may follow
    if breaks:
        with api.database.writing() as session:
            session.get_one(Result, only.id).diagnosis = {}
    proofs.prove_on(api.database)
    if not breaks:
        assert {run.sweep_id for run in proofs.runs(api.database, only.id)} == {id_}
        searcher.search()
        assert sweeps.stored(api.database, id_).status == "running"
        while proofs.stored(api.database, only.id).status == "running":
            for run in proofs.runs(api.database, only.id, waiting=True):
                jobs.reach(api.database, run.id, 0.42)
            proofs.prove_on(api.database)
    searcher.search()
    assert sweeps.stored(api.database, id_).status == "done"


def test_of_a_sweep_that_begins_no_more_no_proof_begins(api: Api) -> None:
    id_ = posted(api, budget={"epochs": EPOCHS})
    first = cells(api.database, id_)[0]
    sweeps.train(api.database, first.id, *[0.1] * EPOCHS)
    with api.database.writing() as session:
        sweep = sweeps_lifecycle.take(session, id_, 1)
        assert sweep is not None
        sweep.reason = "its budget of 2 epochs is used up"
        session.add(sweep)
    end_unhealthy(api.database, first.id, proofs.SCALE)
    assert trials(api.database, id_) == []
    [remark] = api.get(f"/v1/jobs/{first.id}/diagnosis")["remarks"]
    assert remark.startswith(
        "Its repairs were not tried: its sweep begins no more jobs: its budget"
    )


def test_the_jobs_of_a_sweep_are_limited_with_its_trials(api: Api) -> None:
    id_ = posted(api)
    first, second, _ = cells(api.database, id_)
    settings = Settings(max_sweep_jobs=3 + 4)
    fail(api.database, first.id, settings=settings)
    fail(api.database, second.id, settings=settings)
    assert {run.parent_id for run in trials(api.database, id_)} == {first.id}
    [remark] = api.get(f"/v1/jobs/{second.id}/diagnosis")["remarks"]
    assert "its sweep may have 7 jobs (PLATEAU_MAX_SWEEP_JOBS), has or will have 7" in remark


@pytest.mark.parametrize("room", [3, 4])
def test_a_proof_without_room_in_the_queue_does_not_begin_and_says_so(api: Api, room: int) -> None:
    """SCALE has four trials."""
    settings = Settings(max_queued_jobs=5)
    id_ = jobs.submit(api.database, "me", repair="auto", training=_short())
    for _ in range(5 - room):
        jobs.submit(api.database, "me")
    fail(api.database, id_, settings=settings)
    with api.database.reading() as session:
        found = session.get_one(Result, id_).diagnosis["remarks"]
    begun = len(proofs.runs(api.database, id_))
    if room == 4:
        assert (begun, list(found)) == (4, [])
    else:
        assert begun == 0
        expected = (
            "Its repairs were not tried: me may have 5 jobs in the queue "
            f"(PLATEAU_MAX_QUEUED_JOBS), and 4 more do not fit. POST /v1/jobs/{id_}/repairs tries "
            "them."
        )
        assert found == [expected]


def test_a_further_round_waits_for_room_in_the_queue(api: Api) -> None:
    settings = Settings(max_queued_jobs=5)
    prover = Prover(api.database, settings)
    id_ = jobs.submit(api.database, "me", repair="auto", training=_short())
    fail(api.database, id_, TWO_FAULTS, settings)
    others = [jobs.submit(api.database, "me") for _ in range(2)]
    proofs.run_all(api.database, id_, ALONE)
    others += [jobs.submit(api.database, "me") for _ in range(3)]
    for _ in range(2):
        prover.prove()
        assert (
            proofs.stored(api.database, id_).status,
            proofs.stored(api.database, id_).round,
        ) == ("running", 1)
    for other in others:
        jobs.cancel(api.database, other)
    prover.prove()
    assert proofs.stored(api.database, id_).round == 2
    assert proofs.runs(api.database, id_, waiting=True)


def test_a_search_waits_for_room_in_the_queue(api: Api) -> None:
    id_ = posted(
        api,
        axes={sweeps.RATE: {"low": 0.001, "high": 0.1}},
        method="tpe",
        samples=5,
        parallel=2,
    )
    with api.database.writing() as session:
        for run in sweeps.runs(api.database, id_):
            session.get_one(Job, run.id).owner = "me"
        session.get_one(Sweep, id_).owner = "me"
    searcher = Searcher(api.database, Settings(max_queued_jobs=3))
    for run in sweeps.runs(api.database, id_):
        sweeps.reach(api.database, run.id, 0.5)
    others = [jobs.submit(api.database, "me") for _ in range(2)]
    searcher.search()
    assert len(cells(api.database, id_, "queued")) == 1  # of two that were due
    others.append(jobs.submit(api.database, "me"))
    sweeps.reach(api.database, cells(api.database, id_, "queued")[0].id, 0.5)
    others.append(jobs.submit(api.database, "me"))
    searcher.search()
    assert sweeps.stored(api.database, id_).status == "running"
    assert cells(api.database, id_, "queued") == []
    for other in others:
        jobs.cancel(api.database, other)
    searcher.search()
    assert len(cells(api.database, id_, "queued")) == 2


def test_of_a_cancel_and_an_end_nothing_runs_on(api: Api) -> None:
    """A run that ends just as its sweep is cancelled may have begun a proof, or not."""
    for _ in range(ROUNDS):
        id_ = posted(api, axes={"/training/seed": [0]})
        [only] = cells(api.database, id_)
        sweeps.train(api.database, only.id, *[0.1] * EPOCHS)
        at_once(
            _canceller(api, id_),
            partial(end_unhealthy, api.database, only.id, proofs.SCALE),
        )
        assert {run.status for run in sweeps.runs(api.database, id_)} <= TERMINAL
        with api.database.reading() as session:
            proof = session.get(Proof, only.id)
        assert proof is None or proof.status == "cancelled"


def _canceller(api: Api, sweep_id: str) -> Callable[[], bool]:
    def cancel() -> bool:
        with api.database.writing() as session:
            return sweeps_lifecycle.cancel(session, sweep_id)

    return cancel


def _short() -> dict[str, Any]:
    return {**jobs.experiment().model_dump(mode="json")["training"], "epochs": EPOCHS}
