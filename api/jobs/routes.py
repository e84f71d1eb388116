"""Jobs: submit, look at, stop, run again."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api.auth.caller import AppCaller
from api.datasets import access as datasets
from api.dependencies import AppDatabase, AppSettings, Store
from api.http import pages
from api.http.model_response import rendered
from api.http.request_body import JSONRoute
from api.http.threads import in_threads
from api.jobs import deletion, listing, long_poll, poll, render
from api.jobs import dry_run as jobs_dry_run
from api.jobs import responses as jobs_responses
from api.jobs.dependencies import JobById
from api.jobs.fields import ALL, Fields, selected
from api.jobs.findings import AcceptedJob
from api.jobs.long_poll import POLLED, IfNoneMatch, Wait
from api.jobs.queue_position import waiting
from api.jobs.request import Posted
from api.jobs.submit import AppSubmission, earlier_job, queue_job
from api.openapi import responses as openapi_responses
from contract.errors import Conflict
from contract.experiment.datasets import facts_for
from contract.jobs import lifecycle
from contract.jobs.variants import experiment_of
from contract.sizing.limits import check
from contract.store.status import TERMINAL

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=JSONRoute)

_DRY_RUN: openapi_responses.Answers = {
    200: {"model": jobs_dry_run.DryRun, "description": "With dry_run: what the job would be."}
}
DryRun = Annotated[bool, Query(description="check and estimate, store nothing: 200")]


@router.post(
    "",
    status_code=202,
    response_model=AcceptedJob,
    responses=openapi_responses.queued("The job, which waits.") | _DRY_RUN | {409: {}},
)
@in_threads("writing")
def create_job(
    posted: Annotated[Posted, Body()], submission: AppSubmission, dry_run: DryRun = False
) -> Any:
    """Queue an experiment. The answer comes at once; the run's state is at `urls.self`.

    The body is the experiment, or the name of a recipe with what to change in it. A dry run
    answers with shapes, parameters, memory and FLOPs instead, and needs no Idempotency-Key.
    """
    if not dry_run and (earlier := earlier_job(submission, posted.document)):
        return earlier
    experiment = posted.experiment
    upload = datasets.upload_of(submission.database, experiment, submission.caller.owner)
    with posted.blamed():
        facts = facts_for(experiment.dataset, upload)
        cost = check(experiment, facts, submission.settings)
    if dry_run:
        return rendered(jobs_dry_run.preview(experiment, facts, cost, submission.settings))
    return queue_job(submission, posted.document, experiment, upload)


@router.get("", response_model=pages.Page[jobs_responses.Job] | pages.Page[jobs_responses.JobPart])
def list_jobs(
    wanted: Annotated[listing.JobFilter, Query()],
    caller: AppCaller,
    database: AppDatabase,
    settings: AppSettings,
) -> Response:
    """The caller's jobs, newest first unless told, a page at a time.

    The cursor `after` is the id of a job: ids rise with time, so pages stay whole while new jobs
    come, and a cursor holds for as long as the list does.
    """
    members = selected(wanted.fields)
    with database.looking() as connection:
        rows, has_more = listing.page(connection, caller.owner, wanted)
        queue = waiting(connection, rows, settings) if "queue" in members else {}
        data = render.jobs(connection, rows, queue, members)
    page = pages.Page[jobs_responses.Job](data=data, has_more=has_more)
    body = page.model_dump_json(exclude={"data": {"__all__": set(ALL - members)}})
    return Response(body, media_type="application/json")


def _all() -> list[str]:
    """Not `list` itself: pydantic parses what it takes anew with each request, for 0.2 ms."""
    return []


@router.get(
    "/{job_id}", response_model=jobs_responses.Job | jobs_responses.JobPart, responses=POLLED
)
async def get_job(
    request: Request,
    job_id: Annotated[str, Path(description="job_ and a ULID")],
    caller: AppCaller,
    fields: Annotated[Fields, Query(default_factory=_all)],
    if_none_match: IfNoneMatch,
    wait: Wait = 0,
) -> Response:
    """A job as it is now: its status, its progress, its place in the queue and what it waits for.

    Its ETag changes whenever the answer does; who sends it back in If-None-Match gets 304 as long
    as there is nothing new. With `wait` the answer comes at the job's next change of status or its
    next epoch.
    """
    state, members = request.app.state, selected(fields)
    look = partial(poll.look, state.database, state.settings, state.bodies, caller, job_id, members)
    return await long_poll.answer(
        request, caller, partial(run_in_threadpool, look), wait, if_none_match
    )


@router.delete("/{job_id}", status_code=204, response_class=Response, responses={409: {}})
@in_threads("writing")
def delete_job(job: JobById, database: AppDatabase, store: Store) -> None:
    """Delete a job that has ended, with its curve, its results and all its files, for good.

    The proofs that it has a part in go too, with their runs; a sweep goes on without it, and its
    Idempotency-Key is forgotten. 409 while it has not ended, or a proof or sweep that it belongs
    to is running.
    """
    with database.writing() as session:
        job_ids = deletion.delete_job(session, job.id)
    for job_id in job_ids:
        datasets.discard(store, f"jobs/{job_id}")


@router.post("/{job_id}/cancel", responses={409: {}})
@in_threads("writing")
def cancel_job(job: JobById, database: AppDatabase, settings: AppSettings) -> jobs_responses.Job:
    """End a queued job at once, a running one at its next step boundary (`cancelling` till then).

    Asking again changes nothing; 409 once the job has succeeded or failed.
    """
    with database.writing() as session:
        return render.job(session, lifecycle.cancel(session, job.id), settings)


@router.post(
    "/{job_id}/retry",
    status_code=202,
    responses=openapi_responses.queued("The job, which waits.") | {409: {}, 422: {}},
)
@in_threads("writing")
def retry_job(job: JobById, submission: AppSubmission) -> AcceptedJob:
    """Run the experiment of a job that has ended again, as a new job.

    409 while it has not, and where it ran on an upload that was deleted since.
    """
    asked = {"retry": job.id}
    if earlier := earlier_job(submission, asked):
        return earlier
    if job.status not in TERMINAL:
        raise Conflict(f"{job.id} is {job.status}: it can be run again once it has ended.")
    experiment = experiment_of(job)
    check(experiment, facts_for(experiment.dataset, job.upload), submission.settings)
    return queue_job(submission, asked, experiment, job.upload, retry_of=job.id)
