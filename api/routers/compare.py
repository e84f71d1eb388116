"""Two jobs: what differs between them, and which difference explains how they ended."""

from functools import partial
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Query, Request, Response

from api import comparisons, datasets, diagnoses, limits, longpoll
from api.body import JSONRoute
from api.callers import AppCaller
from api.dependencies import AppDatabase, AppSettings
from api.deps import Ring, job_of
from api.longpoll import POLLED, IfNoneMatch, Wait
from api.threads import in_threads, run_in
from contract import clock, proving
from contract.errors import Conflict, NothingToTry
from contract.status import Status
from contract.tables import Job, Proof
from contract.variants import Variants, experiment_of
from diagnosis.attribution import hybrids
from diagnosis.report import Change

router = APIRouter(prefix="/v1/compare", tags=["diagnosis"], route_class=JSONRoute)

_ID = "job_[0-9A-HJKMNP-TV-Z]{26}"


class _Pair(NamedTuple):
    first: Job
    second: Job


def _pair(
    jobs: Annotated[
        str,
        Query(
            pattern=f"^{_ID},{_ID}$",
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


@router.get("", response_model=diagnoses.Comparison, responses=POLLED | {404: {}})
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

    def look() -> longpoll.Seen:
        with database.reading() as session:
            first, second = (session.get_one(Job, job.id) for job in pair)
            view = comparisons.comparison(session, first, second)
            return longpoll.seen(view, comparisons.topics(session, first, second))

    return await longpoll.answer(
        request, caller, partial(run_in, "working", look), wait, if_none_match
    )


@router.post("", status_code=202, responses={404: {}, 409: {}})
@in_threads("planning")
def create_comparison(
    pair: Pair,
    caller: AppCaller,
    database: AppDatabase,
    settings: AppSettings,
    ring: Ring,
    response: Response,
) -> diagnoses.Comparison:
    """Train the first job with fields of the second, to see which of them make the gap.

    At most 10 runs, as jobs of their own: `GET /v1/jobs?parent=` the first lists them. Of up to
    five fields each is also tried the other way, all but one taken from the second job. Asking
    again gives the same runs. 409 unless both have succeeded and differ in several fields.
    """
    with database.writing() as session:
        first, second = (job_of(session, job.id, caller) for job in pair)
        if session.get(Proof, proving.pair(first, second)) is None:
            changes = _deciding(first, second)
            variants = Variants(first, settings, [second])
            for job in (first, second):
                datasets.hold(session, experiment_of(job))
            proof = proving.hybrids_of(first, second, at=clock.read(session))
            trials = hybrids(changes, variants)
            limits.check_queue(session, caller, settings, adding=len(trials))
            for run in proving.start(session, proof, trials, variants, None) or ():
                ring(run)
        view = comparisons.comparison(session, first, second)
    where = f"{router.prefix}?jobs={first.id},{second.id}"
    response.headers.update({"Location": where, "Retry-After": "2"})
    return view


def _deciding(first: Job, second: Job) -> list[Change]:
    """Raises Conflict where there is nothing between the two to be run."""
    for job in (first, second):
        if job.status != Status.SUCCEEDED:
            raise Conflict(f"{job.id} is {job.status}: what lies between needs two that succeeded.")
    changes = [each.change for each in comparisons.between(first, second) if each.decides]
    if len(changes) < 2:
        raise NothingToTry(
            f"{first.id} and {second.id} differ in {len(changes)} of the fields that decide: "
            "nothing lies between them. GET the same tells what it is."
        )
    return changes
