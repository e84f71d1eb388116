"""What handlers ask for that serve a job. Sessions they open themselves (`api.dependencies`)."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeVar

from fastapi import BackgroundTasks, Depends, Query, Request
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from api.auth.caller import AppCaller, Caller
from api.dependencies import AppDatabase
from api.jobs import long_poll, render
from api.jobs.notify import Notifier
from api.jobs.queries import JobRow
from contract import ids
from contract.errors import NotFound, NotReady
from contract.store.status import TERMINAL
from contract.store.tables import Job

Found = TypeVar("Found", bound=JobRow)


async def notify_of(request: Request, background: BackgroundTasks) -> Callable[[JobRow], None]:
    """Notifies the broker of a job once the response is sent."""
    notifier: Notifier = request.app.state.notifier
    return lambda job: background.add_task(notifier.notify, job.id, job.device)


Notify = Annotated[Callable[[JobRow], None], Depends(notify_of)]


def own(find: Callable[[str], Found | None], job_id: str, caller: Caller) -> Found:
    """What `find` finds, if it is the caller's. Someone else's is no job: NotFound, and not a
    word more."""
    job = find(job_id) if ids.JOB.fits(job_id) else None
    if job is None or job.owner != caller.owner:
        raise NotFound(f"There is no job {job_id}; GET /v1/jobs lists them.")
    return job


def job_of(session: Session, job_id: str, caller: Caller) -> Job:
    """The caller's job. Raises NotFound."""
    return own(partial(session.get, Job), job_id, caller)


def _job_by_id(job_id: str, caller: AppCaller, database: AppDatabase) -> Job:
    with database.reading() as session:
        return job_of(session, job_id, caller)


# The row as it was a moment ago, of no session.
JobById = Annotated[Job, Depends(_job_by_id)]


async def _ended_job(
    request: Request,
    job: JobById,
    caller: AppCaller,
    database: AppDatabase,
    wait: Annotated[long_poll.Seconds, Query(description="seconds to wait for the job's end")] = 0,
) -> Job:
    """Raises NotReady, with the time after which to ask again."""
    if wait and job.status not in TERMINAL:
        await long_poll.end(request, caller, job.id, wait)
        job = await run_in_threadpool(_job_by_id, job.id, caller, database)
    if job.status not in TERMINAL:
        wait = render.retry_after_seconds(job)
        raise NotReady(f"{job.id} is {job.status}: ask again in {wait} s.", wait)
    return job


EndedJob = Annotated[Job, Depends(_ended_job)]
