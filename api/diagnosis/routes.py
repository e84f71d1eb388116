"""Why a run failed, and the runs that prove it."""

import json
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, Field
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from api.auth.caller import AppCaller
from api.dependencies import AppDatabase, AppSettings
from api.diagnosis import render
from api.diagnosis import responses as diagnosis_responses
from api.http.request_body import JSONRoute
from api.http.threads import in_threads
from api.jobs import long_poll
from api.jobs.dependencies import EndedJob, JobById, Notify, job_of
from api.jobs.long_poll import POLLED, IfNoneMatch, Wait
from api.jobs.submit import admit
from api.jobs.urls import url
from contract.errors import AskedOtherwise, Conflict, NothingToTry, SpecRefused
from contract.experiment.base import Count
from contract.jobs.variants import Variants, experiment_of
from contract.proofs import lifecycle as proofs
from contract.settings import Settings
from contract.store import clock
from contract.store.documents import read
from contract.store.status import Status
from contract.store.tables import Job, Proof, ProofStatus, Result
from diagnosis.proof.plan import plan
from diagnosis.proof.trial import BASELINE, Trial
from diagnosis.report import Diagnosis

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["diagnosis"], route_class=JSONRoute)


class Wanted(BaseModel, extra="forbid", frozen=True):
    """Which repairs to run; by default those that decide most, with the job's own seed."""

    seeds: Annotated[Count, Field(le=10, description="runs of each trial, and of the job")] = 1
    changes: Annotated[
        tuple[Annotated[str, Field(max_length=200)], ...],
        Field(max_length=10, description="codes of repairs and rivals of the diagnosis; all if []"),
    ] = ()


_ALL = Wanted()


@router.get("/diagnosis", responses={409: {}})
def get_diagnosis(job: EndedJob, database: AppDatabase) -> diagnosis_responses.Diagnosis:
    """Verdict, causes with their evidence, repairs and the proof; 409 until the job has ended."""
    with database.reading() as session:
        return render.diagnosis(session, job)


@router.get("/repairs", response_model=diagnosis_responses.Proof, responses=POLLED | {409: {}})
async def get_repairs(
    request: Request,
    job: JobById,
    caller: AppCaller,
    database: AppDatabase,
    if_none_match: IfNoneMatch,
    wait: Wait = 0,
) -> Response:
    """The proof of the job's diagnosis; 409 while there is none.

    With `wait` the answer comes when one of its runs has got on, or the proof has.
    """

    def look() -> long_poll.Seen:
        with database.reading() as session:
            row = _proof(session, job)
            return long_poll.seen(render.proof(session, row), render.topics(session, row))

    return await long_poll.answer(
        request, caller, partial(run_in_threadpool, look), wait, if_none_match
    )


@router.post("/repairs", status_code=202, responses={409: {}, 422: {}})
@in_threads("planning")
def create_repairs(
    job: JobById,
    caller: AppCaller,
    database: AppDatabase,
    settings: AppSettings,
    notify: Notify,
    response: Response,
    wanted: Annotated[Wanted, Body(examples=[{}, {"seeds": 3}])] = _ALL,
) -> diagnosis_responses.Proof:
    """Train the repairs of the job's diagnosis, and their rivals, and compare.

    Each changes one thing; where none is enough, several are tried together. At most 10 trials,
    with the job's budget and seed, as jobs of their own: `GET /v1/jobs?parent=` lists them. A job
    has one proof: to ask the same again gives it, to ask for another is 409. 409 unless the job has
    succeeded, and its diagnosis names causes.
    """
    with database.writing() as session:
        row = job_of(session, job.id, caller)
        proof = session.get(Proof, job.id)
        if proof is not None:
            _check_same(session, row, proof, wanted, settings)
        else:
            trials, variants = _planned(session, row, wanted, settings)
            experiments = [experiment_of(row)]
            admit(session, caller, settings, experiments, len(trials) * wanted.seeds)
            proof = proofs.repairs_of(
                row, at=clock.read(session), seeds=wanted.seeds, last_round=bool(wanted.changes)
            )
            runs = proofs.start(session, proof, trials, variants, None)
            for run in runs or ():
                notify(run)
        view = render.proof(session, _proof(session, job))
    response.headers.update({"Location": url(job.id, "repairs"), "Retry-After": "2"})
    return view


@router.post("/repairs/cancel", responses={409: {}})
@in_threads("writing")
def cancel_repairs(job: JobById, database: AppDatabase) -> diagnosis_responses.Proof:
    """Start no further trials, and cancel those under way.

    Asking again changes nothing; 409 where there is no proof, or it is done or has failed.
    """
    with database.writing() as session:
        proof = _proof(session, job)
        cancelled = proofs.cancel(session, proof.id)
        session.refresh(proof)
        if not cancelled and proof.status != ProofStatus.CANCELLED:
            raise Conflict(f"The repairs of {job.id} have ended already: they are {proof.status}.")
        return render.proof(session, proof)


def _proof(session: Session, job: Job) -> Proof:
    proof = session.get(Proof, job.id)
    if proof is None:
        raise Conflict(
            f"No repairs of {job.id} were run; POST /v1/jobs/{job.id}/repairs does that."
        )
    return proof


def _check_same(
    session: Session, job: Job, proof: Proof, wanted: Wanted, settings: Settings
) -> None:
    """Raises AskedOtherwise where `proof` is not what is wanted."""
    trials = [code for code in (trial["code"] for trial in proof.plan) if code != BASELINE]
    # Of the changes that were named, those that could not be trained are not among the trials.
    same = len(proof.seeds) == wanted.seeds and proof.last_round == bool(wanted.changes)
    if same and wanted.changes and set(trials) != set(wanted.changes):
        again, _ = _planned(session, job, wanted, settings)
        same = {trial.code for trial in again} - {BASELINE} == set(trials)
    if not same:
        before = {"seeds": len(proof.seeds), "changes": trials if proof.last_round else []}
        raise AskedOtherwise(
            f"The repairs of {job.id} were asked for with {json.dumps(before)} before; received "
            f"{wanted.model_dump_json()}: a job has one proof. GET the same shows it; to have "
            f"another, POST /v1/jobs/{job.id}/retry, and ask for the repairs of that job."
        )


def _planned(
    session: Session, job: Job, wanted: Wanted, settings: Settings
) -> tuple[list[Trial], Variants]:
    """Raises Conflict where there is nothing to prove, SpecRefused for changes nobody proposed."""
    result = session.get(Result, job.id)
    found = read(Diagnosis, result.diagnosis) if result is not None else None
    if job.status != Status.SUCCEEDED or found is None:
        raise Conflict(f"{job.id} is {job.status}: repairs can be run once it has succeeded.")
    if not found.causes:
        raise NothingToTry(f"{job.id} is {job.verdict}, and no cause is known: there is no repair.")
    _check_changes(found, wanted)
    variants = Variants(job, settings)
    trials = plan(found, variants, seeds=wanted.seeds, only=wanted.changes)
    if not trials:
        raise NothingToTry(
            f"None of the repairs of {job.id} can be trained within the limits here."
        )
    return trials, variants


def _check_changes(found: Diagnosis, wanted: Wanted) -> None:
    known = {c.code: c for cause in found.causes for c in (*cause.repairs, *cause.rivals)}
    for place, code in enumerate(wanted.changes):
        if code not in known:
            names = ", ".join(known)
            raise SpecRefused(f"/changes/{place}", f"expected one of {names}; received {code}")
