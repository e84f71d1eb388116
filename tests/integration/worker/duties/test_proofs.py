"""Proofs from the first round to the last word, on both databases, with real commits."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy.exc import InternalError
from sqlmodel import Session

from contract.jobs import lifecycle
from contract.jobs.lifecycle import Claim
from contract.proofs import lifecycle as proofs_lifecycle
from contract.store.database import Database
from contract.store.tables import Job, Proof, Result
from diagnosis.report import Cause, Diagnosis
from tests import jobs, proofs
from tests.integration.contract.jobs.test_races import at_once
from tests.integration.contract.jobs.test_races import canceller as job_canceller
from tests.proofs import HOLDS, LEAKY, SCALE, SLOWER, UNIT
from worker.duties.advance_proofs import Prover

ROUNDS = 5
TWO_FAULTS = Diagnosis(
    "unhealthy",
    "42.0 % on test.",
    [
        Cause("input_scale", "The inputs are too large", 0.9, ["255."], {}, [UNIT]),
        Cause("learning_rate", "The learning rate is too high", 0.8, ["0.01."], {}, [SLOWER]),
        Cause("dead", "The units are dead", 0.7, ["All of them."], {}, [LEAKY]),
    ],
)
ALONE = {"unit": 0.43, "slower": 0.42, "leaky": 0.41}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with jobs.empty_database(database_url) as database:
        yield database


def told(database: Database, job_id: str) -> list[str]:
    return [event.type for event in jobs.events(database, job_id)]


def test_repairs_and_rivals_are_runs_of_the_same_experiment(database: Database) -> None:
    id_ = proofs.started(database)
    parent = jobs.stored(database, id_)
    runs = proofs.runs(database, id_)
    assert [run.trial for run in runs] == ["unit", "slower", "leaky", "norm"]
    for run in runs:
        assert (run.parent_id, run.proof_id, run.status) == (id_, id_, "queued")
        assert (run.owner, run.device, run.priority) == ("local", parent.device, parent.priority)
        assert (run.epochs, run.dataset, run.spec["repair"]) == (parent.epochs, "digits", "off")
        assert run.spec["training"]["seed"] == 0
    assert runs[0].name == "small: unit"
    assert runs[0].spec["dataset"]["scaling"] == "unit"
    assert runs[1].spec["training"]["optimizer"]["learning_rate"] == 0.0001


def test_a_proof_ends_with_a_diagnosis_that_quotes_it(database: Database) -> None:
    id_ = proofs.started(database)
    before = jobs.stored(database, id_)
    proofs.prove_on(database)
    assert proofs.stored(database, id_).status == "running"
    proofs.run_all(database, id_, HOLDS)
    proofs.prove_on(database)
    proof, job = proofs.stored(database, id_), jobs.stored(database, id_)
    assert (proof.status, proof.round) == ("done", 1)
    assert proof.report is not None
    assert proof.report["best"] == "unit"
    assert proof.report["causes"] == {"input_scale": "proven", "learning_rate": "proven"}
    assert job.headline == (
        "42.0 % on test: the inputs are too large. Scaling the inputs reaches 93.5 % with "
        "everything else unchanged; a smaller learning rate reaches 90.0 % as well; LeakyReLU does "
        "not help (10.0 %); batch normalisation is not enough (50.0 %)."
    )
    assert (job.status, job.verdict) == ("succeeded", "unhealthy")
    assert (job.finished_at, job.epoch) == (before.finished_at, before.epoch)
    assert job.updated_at >= before.updated_at
    assert told(database, id_) == ["status", "status", "status", "diagnosis"]
    assert jobs.events(database, id_)[-1].data == {
        "verdict": "unhealthy", "headline": job.headline,
    }  # fmt: skip
    jobs.check(database, id_)
    with database.reading() as session:
        assert session.get_one(Result, id_).diagnosis["headline"] == job.headline


def test_the_end_of_a_proof_is_told_once(database: Database) -> None:
    id_ = proofs.started(database)
    proofs.run_all(database, id_, HOLDS)
    for _ in range(3):
        proofs.prove_on(database)
    assert told(database, id_).count("diagnosis") == 1


def test_changes_that_do_not_hold_alone_go_on_together(database: Database) -> None:
    id_ = proofs.started(database, TWO_FAULTS)
    assert proofs.run_all(database, id_, ALONE) == ["unit", "slower", "leaky"]
    proofs.prove_on(database)
    assert proofs.stored(database, id_).status == "running"
    together = {"unit+slower+leaky": 0.93, "unit+slower": 0.5}
    assert proofs.run_all(database, id_, together) == list(together)
    proofs.prove_on(database)
    left_out = {"unit+leaky": 0.44, "slower+leaky": 0.92}
    assert set(proofs.run_all(database, id_, left_out)) == set(left_out)
    proofs.prove_on(database)
    proof = proofs.stored(database, id_)
    assert (proof.status, proof.round) == ("done", 3)
    assert proof.report is not None
    assert proof.report["best"] == "slower+leaky"
    assert proof.report["needed"] == {"unit": False, "slower": True, "leaky": True}
    assert len(proofs.runs(database, id_)) == 7


def test_a_proof_in_which_nothing_holds_says_so(database: Database) -> None:
    id_ = proofs.started(database)
    values = dict.fromkeys(HOLDS, 0.4)
    while proofs.stored(database, id_).status == "running":
        proofs.run_all(database, id_, values | {"unit+slower": 0.4})
        proofs.prove_on(database)
    job = jobs.stored(database, id_)
    assert "none of the 5 changes that were tried repairs it" in (job.headline or "")
    assert job.verdict == "unhealthy"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [({}, "unhealthy"), ({"repair": "auto"}, "healthy"), ({"repair": "auto"}, "undetermined")],
)
def test_only_an_unhealthy_run_that_asks_for_it_proves_itself(
    database: Database, changes: dict[str, Any], verdict: str
) -> None:
    made = Diagnosis(verdict, "It ran.", SCALE.causes)  # type: ignore[arg-type]
    id_ = proofs.diagnosed(database, made, **changes)
    proofs.start(database, id_)
    assert proofs.runs(database, id_) == []


def test_a_proof_that_cannot_begin_leaves_the_run_as_it_ended(database: Database) -> None:
    id_ = proofs.diagnosed(database, repair="auto")
    with database.writing() as session:
        session.get_one(Result, id_).diagnosis = {"verdict": "unhealthy"}
    proofs.start(database, id_)
    assert proofs.runs(database, id_) == []
    assert jobs.stored(database, id_).status == "succeeded"


def test_a_run_of_a_proof_starts_none(database: Database) -> None:
    id_ = proofs.started(database)
    child = proofs.runs(database, id_)[0].id
    jobs.reach(database, child, 0.4, diagnosis=SCALE)
    proofs.start(database, child)
    assert proofs.runs(database, child) == []


def test_a_run_that_failed_or_was_cancelled_is_one_that_was_not_run(database: Database) -> None:
    id_ = proofs.started(database)
    unit, slower, leaky, norm = (run.id for run in proofs.runs(database, id_))
    jobs.reach(database, unit, 0.93)
    assert jobs.cancel(database, slower) == "cancelled"
    held = jobs.claim(database, leaky)
    assert held is not None
    with database.writing() as session:
        jobs.fail(session, held)
    jobs.cancel(database, norm)
    proofs.prove_on(database)
    proof = proofs.stored(database, id_)
    assert proof.status == "done"
    assert proof.report is not None
    outcomes = {each["trial"]: each["outcome"] for each in proof.report["judgements"]}
    assert outcomes == {"unit": "held", "slower": "not_run", "leaky": "not_run", "norm": "not_run"}


def test_a_cancelled_proof_stops_its_runs_and_says_no_more(database: Database) -> None:
    id_ = proofs.started(database)
    first, second, *_ = proofs.runs(database, id_)
    jobs.reach(database, first.id, 0.93)
    held = jobs.claim(database, second.id)
    assert held is not None
    with database.writing() as session:
        assert proofs_lifecycle.cancel(session, id_)
        assert not proofs_lifecycle.cancel(session, id_)
    statuses = [run.status for run in proofs.runs(database, id_)]
    assert statuses == ["succeeded", "cancelling", "cancelled", "cancelled"]
    with database.writing() as session:
        assert lifecycle.acknowledge_cancel(session, held)
    proofs.prove_on(database)
    assert proofs.stored(database, id_).status == "cancelled"
    assert "diagnosis" not in told(database, id_)


def test_a_proof_that_breaks_ends_and_harms_no_other(database: Database) -> None:
    broken, whole = proofs.started(database), proofs.started(database)
    for id_ in (broken, whole):
        proofs.run_all(database, id_, HOLDS)
    with database.writing() as session:
        session.get_one(Result, broken).diagnosis = {"verdict": "unhealthy"}
    proofs.prove_on(database)
    proofs.prove_on(database)
    assert proofs.stored(database, broken).status == "failed"
    assert proofs.stored(database, whole).status == "done"
    assert told(database, broken).count("diagnosis") == 0


def test_a_passing_fault_of_the_database_ends_no_proof(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, whole = proofs.started(database), proofs.started(database)
    for id_ in (broken, whole):
        proofs.run_all(database, id_, HOLDS)
    prover = Prover(database, proofs.SETTINGS)
    real, faults = (
        proofs_lifecycle.take,
        [InternalError("UPDATE", {}, Exception("idle-in-transaction"))],
    )

    def take(session: Session, id_: str, round_: int) -> Proof | None:
        proof = real(session, id_, round_)
        if faults:
            raise faults.pop()
        return proof

    monkeypatch.setattr(proofs_lifecycle, "take", take)
    prover.prove()
    assert [proofs.stored(database, id_).status for id_ in (broken, whole)] == ["running"] * 2
    prover.prove()
    assert [proofs.stored(database, id_).status for id_ in (broken, whole)] == ["done"] * 2


def test_a_passing_fault_ends_no_run_without_its_proof(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole transaction is tried again."""
    id_ = proofs.diagnosed(database, repair="auto")

    def away(*_: Any) -> None:
        raise InternalError("INSERT", {}, Exception("idle-in-transaction timeout"))

    with monkeypatch.context() as patched:
        patched.setattr(proofs_lifecycle, "start", away)
        with pytest.raises(InternalError):
            proofs.start(database, id_)
    proofs.start(database, id_)
    assert proofs.runs(database, id_)


def test_runs_that_end_at_once_and_workers_that_look_at_once(database: Database) -> None:
    """Each round is followed by one step, whoever takes it."""
    for _ in range(ROUNDS):
        id_ = proofs.started(database, TWO_FAULTS)
        held = [claimed(database, run) for run in proofs.runs(database, id_)]
        at_once(*(ender(database, each) for each in held))
        at_once(*[lambda: proofs.prove_on(database)] * 4)
        assert proofs.stored(database, id_).round == 2
        together = proofs.runs(database, id_, waiting=True)
        assert [run.trial for run in together] == ["unit+slower+leaky", "unit+slower"]
        at_once(*(job_canceller(database, run.id) for run in together))
        at_once(*[lambda: proofs.prove_on(database)] * 4)
        assert proofs.stored(database, id_).status == "done"
        assert told(database, id_).count("diagnosis") == 1
        jobs.check(database, id_)


def test_of_a_cancel_and_a_step_either_comes_first(database: Database) -> None:
    for _ in range(ROUNDS):
        id_ = proofs.started(database, TWO_FAULTS)
        proofs.run_all(database, id_, ALONE)
        cancelled, _ = at_once(canceller(database, id_), lambda: proofs.prove_on(database))
        assert cancelled
        assert proofs.stored(database, id_).status == "cancelled"
        assert {run.status for run in proofs.runs(database, id_)} <= {"succeeded", "cancelled"}


def test_of_many_that_start_one_does(database: Database) -> None:
    for _ in range(ROUNDS):
        id_ = proofs.diagnosed(database, repair="auto")
        at_once(*[lambda id_=id_: proofs.start(database, id_)] * 4)
        assert len(proofs.runs(database, id_)) == 4


def claimed(database: Database, run: Job) -> Claim:
    held = jobs.claim(database, run.id)
    assert held is not None
    return held


def ender(database: Database, held: Claim) -> Callable[[], bool]:
    def end() -> bool:
        with database.writing() as session:
            return jobs.fail(session, held)

    return end


def canceller(database: Database, job_id: str) -> Callable[[], bool]:
    def cancel() -> bool:
        with database.writing() as session:
            return proofs_lifecycle.cancel(session, job_id)

    return cancel
