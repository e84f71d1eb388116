"""Every change of a sweep: its runs are jobs like others, and it goes on as they do.

As with proofs, nothing of a sweep happens in the transactions that end its runs. Workers look, and
whoever finds a step due takes it by one conditional UPDATE, which names the round it was found in.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import Integer, exists, func, type_coerce, update
from sqlmodel import Session, col, select

from contract.errors import Conflict, Unreadable
from contract.experiment.spec import Experiment
from contract.jobs import create, lifecycle
from contract.proofs import lifecycle as proofs_lifecycle
from contract.store import clock
from contract.store.clock import now
from contract.store.documents import read
from contract.store.status import TERMINAL
from contract.store.tables import CellOf, Job, Proof, ProofStatus, Sweep, SweepStatus
from contract.sweeps.axes import Cell
from contract.sweeps.cells import replicas
from contract.sweeps.plan import Plan


def plan_of(sweep: Sweep) -> Plan:
    """Raises Unreadable."""
    plan = read(Plan, sweep.plan)
    if plan.objective is None:
        raise Unreadable(f"{sweep.id} says nothing that this version could compare its cells by")
    return plan


def add(
    session: Session, sweep: Sweep, found: Iterable[tuple[Cell, Experiment | str]]
) -> list[Job]:
    """Queue the runs of further cells; of one that cannot be run, there is the reason."""
    plan = plan_of(sweep)
    cells, refused, jobs = list(sweep.cells), dict(sweep.refused), []
    for cell, experiment in found:
        if isinstance(experiment, str):
            refused[str(len(cells))] = experiment
        else:
            jobs += _jobs(sweep, plan, cell, experiment, len(cells))
        cells.append(list(cell))
    sweep.cells, sweep.refused = cells, refused
    session.add(sweep)
    create.submit(session, jobs)
    return jobs


def _jobs(sweep: Sweep, plan: Plan, cell: Cell, experiment: Experiment, number: int) -> list[Job]:
    upload = sweep.uploads.get(experiment.dataset.name)
    of = CellOf(sweep.id, number)
    return [
        create.new(run, owner=sweep.owner, upload=upload, run_of=of)
        for run in replicas(experiment, plan.axes, cell, plan.seeds)
    ]


def moved(session: Session) -> dict[str, tuple[int, int, int]]:
    """Of each sweep that runs its round, the events of its jobs and the proofs that go on in it.

    Another number says that it moved.
    """
    events = func.coalesce(func.sum(Job.events), 0)
    rows = session.exec(
        select(Sweep.id, Sweep.round, type_coerce(events, Integer))
        .outerjoin(Job, col(Job.sweep_id) == Sweep.id)
        .where(Sweep.status == SweepStatus.RUNNING)
        .group_by(col(Sweep.id), col(Sweep.round))
        .order_by(col(Sweep.id))
    ).all()
    proofs = _running_proofs(session)
    return {id_: (round_, events_, proofs.get(id_, 0)) for id_, round_, events_ in rows}


def proves(session: Session, sweep_id: str) -> bool:
    """Whether a proof goes on that began by itself."""
    about = select(Job.id).where(Job.sweep_id == sweep_id)
    return session.exec(_proofs(sweep_id, about)).first() is not None


def _running_proofs(session: Session) -> Mapping[str, int]:
    """By sweep, of those that began by themselves."""
    statement: Any = (
        select(Job.sweep_id, func.count(col(Job.proof_id).distinct()))
        .join(Proof, col(Proof.id) == Job.proof_id)
        .where(Proof.status == ProofStatus.RUNNING, col(Job.sweep_id).is_not(None))
        .group_by(col(Job.sweep_id))
    )
    return dict(session.exec(statement).all())


def take(session: Session, sweep_id: str, round_: int) -> Sweep | None:
    """The right to take the step after `round_`, until the transaction ends; None if it is gone."""
    statement = (
        update(Sweep)
        .where(
            col(Sweep.id) == sweep_id,
            col(Sweep.round) == round_,
            col(Sweep.status) == SweepStatus.RUNNING,
        )
        .values(round=Sweep.round + 1)
        .returning(Sweep)
    )
    return session.scalars(
        statement, execution_options={"synchronize_session": False, "populate_existing": True}
    ).one_or_none()


def end(session: Session, sweep: Sweep, status: SweepStatus, reason: str | None = None) -> None:
    """End a sweep that was taken."""
    sweep.status, sweep.reason = status, reason or sweep.reason
    sweep.finished_at = clock.read(session)
    session.add(sweep)


def cancel(session: Session, sweep_id: str) -> bool:
    """Begin no further runs, and cancel those under way. False where it has ended already."""
    statement = (
        update(Sweep)
        .where(col(Sweep.id) == sweep_id, col(Sweep.status) == SweepStatus.RUNNING)
        .values(status=SweepStatus.CANCELLED, finished_at=now())
        .returning(col(Sweep.id))
    )
    if session.scalars(statement).one_or_none() is None:
        return False
    cancel_runs(session, sweep_id, "its sweep was cancelled")
    return True


def cancel_runs(
    session: Session, sweep_id: str, reason: str, cells: Iterable[int] | None = None
) -> None:
    """Those that have not ended, of all cells unless told, and the proofs that they began.

    The proofs come last: a run that ends just now may have begun one.
    """
    own = [col(Job.sweep_id) == sweep_id, col(Job.cell).is_not(None)]
    if cells is not None:
        own.append(col(Job.cell).in_(list(cells)))
    unended = select(Job.id).where(*own, col(Job.status).not_in(TERMINAL)).order_by(Job.id)
    for job_id in session.exec(unended).all():
        with suppress(Conflict):  # it ended just now
            lifecycle.cancel(session, job_id, reason)
    for proof_id in session.exec(_proofs(sweep_id, select(Job.id).where(*own))).all():
        proofs_lifecycle.cancel(session, proof_id, reason)


def _proofs(sweep_id: str, about: Any) -> Any:
    """Those that go on and began by themselves."""
    ours = exists().where(col(Job.proof_id) == Proof.id, col(Job.sweep_id) == sweep_id)
    running = col(Proof.status) == ProofStatus.RUNNING
    return select(Proof.id).where(running, col(Proof.job_id).in_(about), ours).order_by(Proof.id)
