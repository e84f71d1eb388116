"""Whether there is room for jobs that the service makes by itself: they count like posted ones."""

from sqlalchemy import func
from sqlmodel import Session, col, select

from contract.jobs import queue_limit
from contract.settings import Settings
from contract.store.tables import Job, Sweep, SweepStatus
from contract.sweeps import lifecycle as sweeps


class Full(Exception):
    """The owner's queue has no room for `places` more jobs at the moment."""

    def __init__(self, owner: str, places: int, settings: Settings) -> None:
        super().__init__(
            f"{owner} may have {settings.max_queued_jobs:,} jobs in the queue "
            f"(PLATEAU_MAX_QUEUED_JOBS), and {places:,} more do not fit"
        )
        self.owner = owner
        self.places = places


def check_places(
    session: Session,
    owner: str,
    sweep_id: str | None,
    places: int,
    settings: Settings,
    *,
    waits: bool = False,
) -> str | None:
    """Why `places` more jobs may not be queued in this transaction; None where they may.

    Those of a proof in a sweep have the `sweep_id`. Raises Full instead where it `waits`, and they
    would fit into an emptier queue.
    """
    if sweep_id is not None and (refused := _refused_by(session, sweep_id, places, settings)):
        return refused
    queue_limit.hold(session, owner)
    if places <= queue_limit.room(session, owner, settings):
        return None
    full = Full(owner, places, settings)
    if waits and places <= settings.max_queued_jobs:
        raise full
    return str(full)


def _refused_by(session: Session, sweep_id: str, places: int, settings: Settings) -> str | None:
    sweep = session.get_one(Sweep, sweep_id)
    if sweep.status != SweepStatus.RUNNING:
        return f"its sweep is {sweep.status}"
    if sweep.reason is not None:
        return f"its sweep begins no more jobs: {sweep.reason}"
    plan = sweeps.plan_of(sweep)
    of_proofs = select(func.count()).where(Job.sweep_id == sweep_id, col(Job.cell).is_(None))
    jobs = plan.cells * plan.seeds + session.exec(of_proofs).one()
    if jobs + places > settings.max_sweep_jobs:
        return (
            f"its sweep may have {settings.max_sweep_jobs:,} jobs (PLATEAU_MAX_SWEEP_JOBS), has or "
            f"will have {jobs:,}, and {places:,} more do not fit"
        )
    return None
