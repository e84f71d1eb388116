"""What is stored of a run that ended, and that no fault of the engine costs it."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from contract.database import Database
from contract.spec import Experiment
from diagnosis.case import Case
from diagnosis.report import Diagnosis
from tests import jobs
from worker import outcome as module
from worker.messages import Finished, Train
from worker.outcome import outcome

AT_CHANCE = Finished(
    metrics={"train_loss": float("nan"), "test_loss": 2.3, "test_accuracy": 0.1},
    confusion_matrix=[[1]],
    class_counts=[36] * 10,
    timing={},
    environment={},
    artifacts={},
    reason="completed",
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


def test_a_fault_of_the_engine_costs_no_result(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(case: Case) -> Diagnosis:
        raise ZeroDivisionError(str(asdict(case)))

    monkeypatch.setattr(module, "diagnose", broken)
    order = trained(database, jobs.experiment())
    with database.reading() as session:
        result, diagnosis = outcome(session, order, AT_CHANCE)
    assert (diagnosis.verdict, diagnosis.causes) == ("undetermined", ())
    assert "10.0 % on test" in diagnosis.headline
    assert result.diagnosis["verdict"] == "undetermined"
    assert result.diagnosis["value"] == 0.1
    assert f"{order.job_id} could not be diagnosed" in caplog.text
