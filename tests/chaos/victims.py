"""Whom a fault hits: what trains at that moment."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from contract.store.status import Status
from contract.store.tables import Job
from tests import processes
from tests.chaos.judge import unended
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
    """While no job has crashed more often than that since its last epoch: the picked one may end
    before it is hit, and then another takes its trainer, and the blow.

    `otherwise` is called as often as none is found.
    """
    found: list[Victim] = []

    def look() -> bool:
        jobs = unended(stage.site.database)
        if all(job.crashes <= most_crashes for job in jobs):
            held = [job for job in jobs if job.status == Status.RUNNING]
            found.extend(_victims(keeper, held))
        if not found:
            otherwise()
        return bool(found)

    processes.wait_for("a job that trains", look, stage.patience)
    return fault.of(found)


def _victims(keeper: Keeper, jobs: Sequence[Job]) -> Iterator[Victim]:
    for job in jobs:
        worker = keeper.holder(job)
        held = [each for each in jobs if each.worker_id == job.worker_id]
        if worker is not None and all(worker.trainer_pid(each) for each in held):
            yield Victim(job, worker, held)
