"""Every change of a proof: its runs are jobs like others, and it goes on when they have ended.

Nothing of a proof happens in the transactions that end its runs. Whoever finds that the last run
of a round has ended may take the next step, by one conditional UPDATE: of several at once one
does, and where nobody does for a while nothing is lost.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, exists, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from contract.errors import Conflict
from contract.jobs import create, lifecycle
from contract.jobs.transition import event, write
from contract.jobs.variants import Patch, Variants, experiment_of
from contract.store.clock import now
from contract.store.status import TERMINAL, Status
from contract.store.tables import Job, Proof, ProofStatus, Result, RunOf

_NAME = 100


class Trial(Protocol):
    """As `diagnosis.proof.trial.Trial`."""

    @property
    def code(self) -> str:
        """Unique within its proof."""
        ...

    @property
    def patch(self) -> Patch:
        """Of the job's spec with all its defaults."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        ...


def repairs_of(job: Job, *, at: datetime, seeds: int = 1, last_round: bool = False) -> Proof:
    """A proof of `job`'s diagnosis, to be started; the job's own seed is the first."""
    first = _seed(job)
    return Proof(
        id=job.id,
        kind="repairs",
        job_id=job.id,
        seeds=[(first + n) % 2**31 for n in range(seeds)],
        last_round=last_round,
        created_at=at,
    )


def pair(job: Job, other: Job) -> str:
    """The id of the proof of what lies between the two."""
    return f"{job.id},{other.id}"


def hybrids_of(job: Job, other: Job, *, at: datetime) -> Proof:
    """What lies between two jobs, to be started: runs of `job` with fields of `other`."""
    return Proof(
        id=pair(job, other),
        kind="hybrids",
        job_id=job.id,
        other_id=other.id,
        seeds=[_seed(job)],
        last_round=True,
        created_at=at,
    )


def start(
    session: Session, proof: Proof, trials: Sequence[Trial], variants: Variants, sweep: str | None
) -> list[Job] | None:
    """Store a new proof, and queue the runs of its first round; None where there is one already.

    `sweep` is the `sweep_id` of `RunOf`.
    """
    try:
        with session.begin_nested():
            session.add(proof)
    except IntegrityError:
        return None
    return go_on(session, proof, trials, variants, sweep)


def go_on(
    session: Session, proof: Proof, trials: Sequence[Trial], variants: Variants, sweep: str | None
) -> list[Job]:
    """Queue the runs of another round: one for each trial and seed."""
    proof.plan = [*proof.plan, *(trial.to_dict() for trial in trials)]
    session.add(proof)
    queued = [
        _run(proof, trial, seed, variants, sweep)
        for trial in trials
        # The job itself is a run of the unchanged spec, with the first seed.
        for seed in (proof.seeds if trial.patch else proof.seeds[1:])
    ]
    create.submit(session, queued)
    return queued


def ready(session: Session) -> Sequence[tuple[str, int]]:
    """(id, round) of the proofs that wait for nothing but their next step."""
    return session.exec(select(Proof.id, Proof.round).where(*_ready()).order_by(Proof.id)).all()


def take(session: Session, proof_id: str, round_: int) -> Proof | None:
    """The right to take the step after `round_`, until the transaction ends; None if it is gone."""
    statement = (
        update(Proof)
        .where(col(Proof.id) == proof_id, col(Proof.round) == round_, *_ready())
        .values(round=Proof.round + 1)
        .returning(Proof)
    )
    return session.scalars(
        statement, execution_options={"synchronize_session": False, "populate_existing": True}
    ).one_or_none()


def finish(session: Session, proof: Proof, report: dict[str, Any] | None) -> None:
    """End a proof that was taken; without a report it failed."""
    session.execute(
        update(Proof)
        .where(col(Proof.id) == proof.id)
        .values(
            status=ProofStatus.FAILED if report is None else ProofStatus.DONE,
            round=Proof.round - 1,  # no runs followed
            report=report,
            finished_at=now(),
        )
    )


def cancel(session: Session, proof_id: str, reason: str | None = None) -> bool:
    """Start no further round, and cancel the runs under way. False where it has ended already."""
    statement = (
        update(Proof)
        .where(col(Proof.id) == proof_id, col(Proof.status) == ProofStatus.RUNNING)
        .values(status=ProofStatus.CANCELLED, finished_at=now())
        .returning(col(Proof.id))
    )
    if session.scalars(statement).one_or_none() is None:
        return False
    for job_id in session.exec(select(Job.id).where(*_unended(proof_id)).order_by(Job.id)).all():
        with suppress(Conflict):  # it ended just now
            lifecycle.cancel(session, job_id, reason)
    return True


def conclude(
    session: Session, job_id: str, *, verdict: str, headline: str, diagnosis: dict[str, Any]
) -> None:
    """Tell what a proof showed of its job. How the job ended stays as it is."""
    job = write(
        session,
        [col(Job.id) == job_id, col(Job.status) == Status.SUCCEEDED],
        verdict=verdict,
        headline=headline,
        events=Job.events + 1,
        updated_at=now(),
    )
    if job is None:
        return
    session.get_one(Result, job_id).diagnosis = diagnosis
    session.add(event(job, "diagnosis", {"verdict": verdict, "headline": headline}))
    session.flush()


def runs(session: Session, proof_id: str) -> Sequence[Job]:
    """All of a proof's, in the order in which they were queued."""
    return session.exec(select(Job).where(Job.proof_id == proof_id).order_by(col(Job.id))).all()


def _seed(job: Job) -> int:
    return int(experiment_of(job).training.seed)


def _run(proof: Proof, trial: Trial, seed: int, variants: Variants, sweep: str | None) -> Job:
    parent = variants.job
    values: dict[str, Any] = {"/name": f"{parent.name}: {trial.code}"[:_NAME], "/repair": "off"}
    if seed != proof.seeds[0]:  # the first is that of the spec itself
        values["/training/seed"] = seed
    replaced = [{"op": "replace", "path": path, "value": value} for path, value in values.items()]
    experiment = variants.experiment([*trial.patch, *replaced])
    return create.new(
        experiment,
        owner=parent.owner,
        upload=variants.upload(experiment),
        run_of=RunOf(parent.id, proof.id, trial.code, sweep),
    )


def _unended(proof_id: Any) -> list[ColumnElement[bool]]:
    return [col(Job.proof_id) == proof_id, col(Job.status).not_in(TERMINAL)]


def _ready() -> list[ColumnElement[bool]]:
    running = col(Proof.status) == ProofStatus.RUNNING
    return [running, ~exists().where(*_unended(Proof.id))]
