"""Sweeps: an experiment over and over, with other values each time."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response

from api.auth.caller import AppCaller
from api.datasets import access as datasets
from api.dependencies import AppDatabase, AppSettings
from api.http import pages
from api.http.model_response import rendered
from api.http.request_body import JSONRoute
from api.http.threads import in_threads, run_in
from api.jobs import long_poll
from api.jobs.long_poll import POLLED, IfNoneMatch, Wait
from api.jobs.routes import DryRun
from api.jobs.submit import AppSubmission
from api.openapi import responses as openapi_responses
from api.sweeps import listing, render, submit
from api.sweeps import responses as sweeps_responses
from api.sweeps.dependencies import SweepById
from api.sweeps.request import NewSweep, Reader
from contract.errors import Conflict
from contract.store.tables import Sweep, SweepStatus
from contract.sweeps import lifecycle as sweeps
from contract.sweeps.axes import MAX_AXES, MAX_VALUES


class _SweepRoute(JSONRoute):
    free_values = MAX_AXES * MAX_VALUES


router = APIRouter(prefix="/v1/sweeps", tags=["sweeps"], route_class=_SweepRoute)

_DRY_RUN: openapi_responses.Answers = {
    200: {"model": sweeps_responses.SweepDryRun, "description": "With dry_run: what it would be."}
}


@router.post(
    "",
    status_code=202,
    response_model=sweeps_responses.SweepTable,
    responses=openapi_responses.queued("The sweep, whose jobs wait.") | _DRY_RUN | {409: {}},
)
@in_threads("planning")
def create_sweep(
    new: Annotated[NewSweep, Body()],
    caller: AppCaller,
    database: AppDatabase,
    settings: AppSettings,
    submission: AppSubmission,
    dry_run: DryRun = False,
) -> Any:
    """Queue an experiment once for each combination of values, and for each seed.

    `axes` has JSON pointers into the experiment, each with a list of values, or, for the methods
    random and tpe, with a range. A grid has all combinations, random and tpe as many as `samples`
    says; tpe begins with some and goes on by what they reach. All jobs are made in one transaction,
    and each is checked as POST /v1/jobs does it: one that would be refused refuses the sweep.
    """
    asked = new.model_dump(mode="json", exclude_unset=True)
    if not dry_run and (earlier := submit.earlier(submission, asked)):
        return earlier
    reader = Reader(new, settings, partial(datasets.upload_of, database, owner=caller.owner))
    if dry_run:
        return rendered(render.preview(reader))
    return submit.store(submission, asked, reader)


@router.get("")
def list_sweeps(
    wanted: Annotated[listing.SweepPage, Query()], caller: AppCaller, database: AppDatabase
) -> pages.Page[sweeps_responses.Sweep]:
    """The caller's sweeps without their tables, newest first, a page at a time."""
    with database.reading() as session:
        rows, has_more = listing.page(session, caller.owner, wanted)
        return pages.Page(data=render.summaries(session, rows), has_more=has_more)


@router.get("/{sweep_id}", response_model=sweeps_responses.SweepTable, responses=POLLED)
async def get_sweep(
    request: Request,
    sweep: SweepById,
    caller: AppCaller,
    database: AppDatabase,
    if_none_match: IfNoneMatch,
    wait: Wait = 0,
) -> Response:
    """A sweep as it is now: how its jobs stand, and a row for each combination of values.

    Its ETag changes whenever one of its jobs does. With `wait` the answer comes at the next change
    of any of them, or of the sweep.
    """
    look = partial(render.look, database, sweep.id, if_none_match)
    return await long_poll.answer(
        request, caller, partial(run_in, "working", look), wait, if_none_match
    )


@router.post("/{sweep_id}/cancel", responses={409: {}})
@in_threads("writing")
def cancel_sweep(sweep: SweepById, database: AppDatabase) -> sweeps_responses.SweepTable:
    """Cancel its jobs that have not ended, and begin no others.

    Asking again changes nothing; 409 once the sweep is done or has failed.
    """
    with database.writing() as session:
        row = session.get_one(Sweep, sweep.id)
        cancelled = sweeps.cancel(session, row.id)
        session.refresh(row)
        if not cancelled and row.status != SweepStatus.CANCELLED:
            raise Conflict(f"{row.id} has ended already: it is {row.status}.")
        return render.table(session, row)
