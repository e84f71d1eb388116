"""What is stored of a run that ended, and that no fault of the engine costs it."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import InternalError
from sqlmodel import select

from contract.experiment.spec import Experiment
from contract.jobs.signals import stored_signals
from contract.store.database import Database
from contract.store.documents import read
from contract.store.tables import EpochRow, SignalRow
from diagnosis.report import Diagnosis
from diagnosis.run.case import Case
from diagnosis.run.signals import Curvature, Signals
from tests import jobs
from tests.diagnosed import HIDDEN, START
from worker.job import finish
from worker.job.finish import outcome
from worker.protocol import Finished, Train

AT_CHANCE = Finished(
    metrics={"train_loss": float("nan"), "test_loss": 2.3, "test_accuracy": 0.1},
    confusion_matrix=[[1]],
    class_counts=[36] * 10,
    timing={},
    environment={},
    artifacts={},
    reason="completed",
    model_epoch=1,
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with jobs.empty_database(f"sqlite:///{tmp_path / 'plateau.db'}") as database:
        yield database


def trained(database: Database, experiment: Experiment) -> Train:
    """The order of a job that has all of its epochs behind it."""
    held = jobs.running(database)
    jobs.record(database, held, *range(1, jobs.EPOCHS + 1))
    return Train(
        job_id=held.job_id, fence=held.fence, experiment=experiment, upload=None, checkpoint=None
    )


def keep_signal(database: Database, order: Train, kind: str, document: dict[str, Any]) -> None:
    row = SignalRow(job_id=order.job_id, kind=kind, step=0, fence=order.fence, document=document)
    with database.writing() as session:
        session.add(row)


def test_a_run_is_stored_with_its_diagnosis(database: Database) -> None:
    order = trained(database, jobs.experiment())
    with database.reading() as session:
        result, diagnosis = outcome(session, order, AT_CHANCE)
    assert diagnosis.verdict == "unhealthy"
    assert diagnosis.causes[0].code == "head"
    stored = json.loads(json.dumps(result.diagnosis, allow_nan=False))
    assert stored["headline"] == diagnosis.headline
    assert stored["causes"][0]["repairs"][0]["patch"] == list(diagnosis.causes[0].repairs[0].patch)
    assert (stored["metric"], stored["epochs"]) == ("accuracy", jobs.EPOCHS)
    assert stored["attainable"] is None  # nothing was measured of these runs


def test_signals_of_another_version_cost_no_run(database: Database) -> None:
    """One that knew no scaled_lambda_max, and measured what is not known any more."""
    order = trained(database, jobs.experiment())
    curvature = {"lambda_max": 1.0, "gradient_noise": 1.0, "trace": 3.0}
    keep_signal(
        database, order, "run", {"steps_per_epoch": 15, "data": None, "curvature": curvature}
    )
    moment = asdict(START) | {"layers": [{"index": 1}, asdict(HIDDEN) | {"rank": 3}]}
    keep_signal(database, order, "moment", moment)
    with database.reading() as session:
        result, diagnosis = outcome(session, order, AT_CHANCE)
        signals = read(Signals, stored_signals(session, order.job_id))
    assert (diagnosis.verdict, result.diagnosis["verdict"]) == ("unhealthy", "unhealthy")
    assert signals.curvature == Curvature(1.0, None, 1.0)
    assert signals.moments == [replace(START, layers=[HIDDEN])]


@pytest.mark.parametrize("document", [{}, {"data": 3}, {"curvature": []}, {"steps_per_epoch": "x"}])
def test_signals_that_cannot_be_read_cost_no_run(
    database: Database, document: dict[str, Any]
) -> None:
    order = trained(database, jobs.experiment())
    keep_signal(database, order, "run", document)
    with database.reading() as session:
        _, diagnosis = outcome(session, order, AT_CHANCE)
    assert diagnosis.verdict == "unhealthy"


def test_a_curve_that_cannot_be_summarised_costs_no_run(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    order = trained(database, jobs.experiment())
    with database.writing() as session:
        for row in session.exec(select(EpochRow)):
            row.metrics = {"loss": "much"}
    with database.reading() as session:
        result, diagnosis = outcome(session, order, AT_CHANCE)
    assert diagnosis.verdict == result.diagnosis["verdict"] == "undetermined"
    assert f"{order.job_id} could not be diagnosed" in caplog.text


def test_what_may_pass_is_no_fault_of_the_diagnosis(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction is gone with it: all of it is tried again."""

    def away(case: Case) -> Diagnosis:
        raise InternalError(str(case.reason), {}, Exception("idle-in-transaction timeout"))

    monkeypatch.setattr(finish, "diagnose", away)
    order = trained(database, jobs.experiment())
    with database.reading() as session, pytest.raises(InternalError):
        outcome(session, order, AT_CHANCE)


def test_a_fault_of_the_engine_costs_no_result(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(case: Case) -> Diagnosis:
        raise ZeroDivisionError(str(asdict(case)))

    monkeypatch.setattr(finish, "diagnose", broken)
    order = trained(database, jobs.experiment())
    with database.reading() as session:
        result, diagnosis = outcome(session, order, AT_CHANCE)
    assert (diagnosis.verdict, diagnosis.causes) == ("undetermined", ())
    assert "10.0 % on test" in diagnosis.headline
    assert result.diagnosis["verdict"] == "undetermined"
    assert result.diagnosis["value"] == 0.1
    assert f"{order.job_id} could not be diagnosed" in caplog.text
