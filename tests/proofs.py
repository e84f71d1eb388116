"""Diagnoses made by hand, and proofs of them for tests: what runs reach is made up."""

from collections.abc import Mapping, Sequence
from typing import Any

from contract.proofs import lifecycle as proofs
from contract.settings import Settings
from contract.store.database import Database
from contract.store.status import Status
from contract.store.tables import Job, Proof
from diagnosis.report import Cause, Change, Diagnosis
from tests import jobs
from worker.duties.advance_proofs import Prover, start_repairs

SETTINGS = Settings()
OWN = 0.42
UNIT = Change(
    "unit", "scaling the inputs", [{"op": "add", "path": "/dataset/scaling", "value": "unit"}]
)
SLOWER = Change(
    "slower",
    "a smaller learning rate",
    [{"op": "add", "path": "/training/optimizer/learning_rate", "value": 0.0001}],
)
LEAKY = Change(
    "leaky",
    "LeakyReLU",
    [{"op": "add", "path": "/model/layers/1/activation", "value": "leaky_relu"}],
)
NORM = Change(
    "norm",
    "batch normalisation",
    [{"op": "add", "path": "/model/layers/1", "value": {"type": "BatchNormalization"}}],
    mask=True,
)
SCALE = Diagnosis(
    "unhealthy",
    "42.0 % on test: the inputs are too large.",
    [
        Cause("input_scale", "The inputs are too large", 0.9, ["They reach 255."], {"max": 255.0},
              [UNIT, SLOWER], [LEAKY, NORM]),
        Cause("learning_rate", "The learning rate is too high", 0.5, ["0.01."], {}, [SLOWER]),
    ],
)  # fmt: skip
# What the runs reach where the first cause is the right one.
HOLDS = {"unit": 0.935, "slower": 0.9, "leaky": 0.1, "norm": 0.5}


def diagnosed(
    database: Database, made: Diagnosis = SCALE, *, value: float = OWN, **changes: Any
) -> str:
    """The id of a job that has succeeded with this diagnosis; `changes` as in `jobs.submit`."""
    id_ = jobs.submit(database, **changes)
    jobs.reach(database, id_, value, diagnosis=made)
    return id_


def started(database: Database, made: Diagnosis = SCALE) -> str:
    """The id of such a job, whose proof has begun."""
    id_ = diagnosed(database, made, repair="auto")
    start(database, id_)
    return id_


def start(database: Database, job_id: str) -> None:
    """As the worker does that ended the run."""
    with database.writing() as session:
        start_repairs(session, job_id, SETTINGS)


def runs(database: Database, job_id: str, *, waiting: bool = False) -> Sequence[Job]:
    """Those of the job's proof; the queued ones alone if they are to be `waiting`."""
    with database.reading() as session:
        return [
            run
            for run in proofs.runs(session, job_id)
            if not waiting or run.status == Status.QUEUED
        ]


def run_all(database: Database, job_id: str, values: Mapping[str, float]) -> list[str]:
    """Let each queued run reach the value of its trial. Returns the trials."""
    waiting = runs(database, job_id, waiting=True)
    for run in waiting:
        jobs.reach(database, run.id, values[run.trial or ""])
    return [run.trial or "" for run in waiting]


def prove_on(database: Database) -> None:
    """Take the steps that any worker may take now."""
    Prover(database, SETTINGS).prove()


def stored(database: Database, job_id: str) -> Proof:
    with database.reading() as session:
        return session.get_one(Proof, job_id)
