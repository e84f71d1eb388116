"""Jobs: submit, look at, stop, run again."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api import datasets, present, queries, views
from api.body import JSONRoute
from api.callers import AppCaller
from api.deps import AppDatabase, AppSettings, JobById, Ring
from contract import lifecycle
from contract.budget import check
from contract.datasets import facts_of
from contract.errors import Conflict
from contract.spec import Experiment
from contract.status import TERMINAL

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=JSONRoute)


@router.post("", status_code=202)
def create_job(
    experiment: Experiment,
    caller: AppCaller,
    database: AppDatabase,
    settings: AppSettings,
    ring: Ring,
    response: Response,
) -> views.Job:
    """Queue an experiment. The answer comes at once; the run's state is at `urls.self`."""
    upload = datasets.upload_of(database, experiment, caller.owner)
    check(experiment, facts_of(experiment.dataset.name, upload), settings)
    with database.writing() as session:
        datasets.hold(session, experiment)
        job = lifecycle.submit(session, experiment, owner=caller.owner, upload=upload)
        view = present.job(session, job, settings)
    ring(job)
    response.headers.update({"Location": view.urls.self, "Retry-After": "1"})
    return view


@router.get("")
def list_jobs(
    wanted: Annotated[queries.JobFilter, Query()],
    caller: AppCaller,
    database: AppDatabase,
    settings: AppSettings,
) -> views.Page[views.Job]:
    """Newest first."""
    with database.reading() as session:
        rows, has_more = queries.jobs(session, caller.owner, wanted)
        return views.Page(data=present.jobs(session, rows, settings), has_more=has_more)


@router.get("/{job_id}")
def get_job(job: JobById, database: AppDatabase, settings: AppSettings) -> views.Job:
    with database.reading() as session:
        return present.job(session, job, settings)


@router.post("/{job_id}/cancel")
def cancel_job(job: JobById, database: AppDatabase, settings: AppSettings) -> views.Job:
    """End a queued job at once, a running one at its next step boundary (`cancelling` till then).

    Asking again changes nothing; 409 once the job has ended.
    """
    with database.writing() as session:
        return present.job(session, lifecycle.cancel(session, job.id), settings)


@router.post("/{job_id}/retry", status_code=202)
def retry_job(
    job: JobById, database: AppDatabase, settings: AppSettings, ring: Ring, response: Response
) -> views.Job:
    """Run the experiment of a job that has ended again, as a new job.

    409 while it has not, and where it ran on an upload that was deleted since.
    """
    if job.status not in TERMINAL:
        raise Conflict(f"{job.id} is {job.status}: it can be run again once it has ended.")
    experiment = Experiment.model_validate(job.spec)
    check(experiment, facts_of(job.dataset, job.upload), settings)
    with database.writing() as session:
        datasets.hold(session, experiment)
        again = lifecycle.submit(
            session, experiment, owner=job.owner, upload=job.upload, retry_of=job.id
        )
        view = present.job(session, again, settings)
    ring(again)
    response.headers.update({"Location": view.urls.self, "Retry-After": "1"})
    return view
