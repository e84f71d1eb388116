"""How a request becomes a sweep."""

from collections.abc import Sequence
from typing import Any

from sqlmodel import Session

from api.jobs.submit import Submission, admit
from api.sweeps import responses
from api.sweeps.render import table
from api.sweeps.request import Reader
from contract import ids
from contract.store import clock
from contract.store.tables import Job, Sweep
from contract.sweeps import lifecycle as sweeps


def earlier(submission: Submission, asked: Any) -> responses.SweepTable | None:
    """The sweep that the request's Idempotency-Key made before, if any."""
    return submission.earlier({"sweep": asked}, _of_job)


def store(submission: Submission, asked: Any, reader: Reader) -> responses.SweepTable:
    """A new sweep with its first jobs, unless another request with this key was quicker.

    Raises SpecRefused, TooManyJobs, DatasetGone.
    """
    planned = reader.cells()
    caller, settings = submission.caller, submission.settings

    def fill(session: Session) -> Sequence[Job]:
        experiments = [each.experiment for each in planned]
        admit(session, caller, settings, experiments, len(planned) * reader.plan.seeds)
        sweep = Sweep(
            id=ids.SWEEP.new(),
            owner=caller.owner,
            name=reader.name,
            base=reader.base,
            uploads=reader.uploads,
            plan=reader.plan.model_dump(mode="json"),
            cells=[],
            created_at=clock.read(session),
        )
        return sweeps.add(session, sweep, [(each.cell, each.experiment) for each in planned])

    return submission.queue({"sweep": asked}, fill, _of_job)


def _of_job(session: Session, job: Job) -> responses.SweepTable:
    return table(session, session.get_one(Sweep, job.sweep_id))
