"""Whom a fault hits: what trains at that moment."""

from collections.abc import Callable
from dataclasses import dataclass

from contract.tables import Job
from tests import processes
from tests.chaos.judge import running
from tests.chaos.keeper import Keeper, Kept
from tests.chaos.schedule import Fault
from tests.chaos.stage import Stage


@dataclass(frozen=True)
class Victim:
    """A job that trains, its worker, and all the jobs that this worker trains."""

    job: Job
    worker: Kept
    held: list[Job]


def pick(
    stage: Stage,
    keeper: Keeper,
    fault: Fault,
    *,
    most_crashes: int,
    otherwise: Callable[[], object] = lambda: None,
) -> Victim:
    """None of whose jobs has crashed more often than that since its last epoch.

    `otherwise` is called as often as none is found.
    """
    found: list[Victim] = []

    def look() -> bool:
        jobs = running(stage.site.database)
        for job in jobs:
            worker = keeper.holder(job)
            held = [each for each in jobs if each.worker_id == job.worker_id]
            if worker is not None and all(each.crashes <= most_crashes for each in held):
                found.append(Victim(job, worker, held))
        if not found:
            otherwise()
        return bool(found)

    processes.wait_for("a job that trains", look, stage.patience)
    return fault.of(found)
