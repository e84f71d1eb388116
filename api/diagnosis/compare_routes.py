"""Two jobs: what differs between them, and which difference explains how they ended."""

from functools import partial
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Query, Request, Response

from api.auth.caller import AppCaller
from api.dependencies import AppDatabase, AppSettings
from api.diagnosis import compare
from api.diagnosis import responses as diagnosis_responses
from api.http.request_body import JSONRoute
from api.http.threads import in_threads, run_in
from api.jobs import long_poll
from api.jobs.dependencies import Notify, job_of
from api.jobs.long_poll import POLLED, IfNoneMatch, Wait
from api.jobs.submit import admit
from contract import ids
from contract.errors import Conflict, NothingToTry
from contract.jobs.variants import Variants, experiment_of
from contract.proofs import lifecycle as proofs
from contract.store import clock
from contract.store.status import Status
from contract.store.tables import Job, Proof
from diagnosis.comparison.attribution import hybrids
from diagnosis.report import Change

router = APIRouter(prefix="/v1/compare", tags=["diagnosis"], route_class=JSONRoute)


class _Pair(NamedTuple):
    first: Job
    second: Job


def _pair(
    jobs: Annotated[
        str,
        Query(
            pattern=f"^{ids.JOB.form},{ids.JOB.form}$",
            description="the ids of two jobs, with a comma between them",
            examples=["job_01M843EV5QKTKKYXZ8CHTAMFR2,job_01M843EV5QKTKKYXZ8CHTAMFR3"],
        ),
    ],
    caller: AppCaller,
    database: AppDatabase,
) -> _Pair:
    with database.reading() as session:
        return _Pair(*(job_of(session, job_id, caller) for job_id in jobs.split(",")))


Pair = Annotated[_Pair, Depends(_pair)]


@router.get("", response_model=diagnosis_responses.Comparison, responses=POLLED | {404: {}})
async def get_comparison(
    request: Request,
    pair: Pair,
    caller: AppCaller,
    database: AppDatabase,
    if_none_match: IfNoneMatch,
    wait: Wait = 0,
) -> Response:
    """What differs in the specs, the curves and the results, and which difference explains it.

    With `wait` the answer comes when one of the two has got on, or one of the runs between them.
    """

    def look() -> long_poll.Seen:
        with database.reading() as session:
            first, second = (session.get_one(Job, job.id) for job in pair)
            view = compare.comparison(session, first, second)
            return long_poll.seen(view, compare.topics(session, first, second))

    return await long_poll.answer(
        request, caller, partial(run_in, "working", look), wait, if_none_match
    )


@router.post("", status_code=202, responses={404: {}, 409: {}})
@in_threads("planning")
def create_comparison(
    pair: Pair,
    caller: AppCaller,
    database: AppDatabase,
    settings: AppSettings,
    notify: Notify,
    response: Response,
) -> diagnosis_responses.Comparison:
    """Train the first job with fields of the second, to see which of them make the gap.

    At most 10 runs, as jobs of their own: `GET /v1/jobs?parent=` the first lists them. Of up to
    five fields each is also tried the other way, all but one taken from the second job. Asking
    again gives the same runs. 409 unless both have succeeded and differ in several fields.
    """
    with database.writing() as session:
        first, second = (job_of(session, job.id, caller) for job in pair)
        if session.get(Proof, proofs.pair(first, second)) is None:
            changes = _deciding(first, second)
            variants = Variants(first, settings, [second])
            proof = proofs.hybrids_of(first, second, at=clock.read(session))
            trials = hybrids(changes, variants)
            experiments = [experiment_of(job) for job in (first, second)]
            admit(session, caller, settings, experiments, len(trials))
            for run in proofs.start(session, proof, trials, variants, None) or ():
                notify(run)
        view = compare.comparison(session, first, second)
    where = f"{router.prefix}?jobs={first.id},{second.id}"
    response.headers.update({"Location": where, "Retry-After": "2"})
    return view


def _deciding(first: Job, second: Job) -> list[Change]:
    """Raises Conflict where there is nothing between the two to be run."""
    for job in (first, second):
        if job.status != Status.SUCCEEDED:
            raise Conflict(f"{job.id} is {job.status}: what lies between needs two that succeeded.")
    changes = [each.change for each in compare.between(first, second) if each.decides]
    if len(changes) < 2:
        raise NothingToTry(
            f"{first.id} and {second.id} differ in {len(changes)} of the fields that decide: "
            "nothing lies between them. GET the same tells what it is."
        )
    return changes
