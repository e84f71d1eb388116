"""The steps of proofs: what is tried next when a round of runs has ended, and what came of it."""

import logging

from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from contract import clock, proving
from contract.database import Database
from contract.outcomes import measure_of, value_of
from contract.settings import Settings
from contract.status import Status
from contract.tables import Job, Proof, Result
from contract.variants import Variants
from diagnosis.conclusion import concluded
from diagnosis.judging import judge
from diagnosis.proof import further, plan
from diagnosis.report import Diagnosis
from diagnosis.trials import BASELINE, Outcome, Trial
from diagnosis.yardstick import yardstick

log = logging.getLogger(__name__)


def prove(database: Database, settings: Settings) -> None:
    """Take the next step of each proof whose runs have ended."""
    with database.reading() as session:
        waiting = proving.ready(session)
    for proof_id, round_ in waiting:
        _step(database, settings, proof_id, round_)


def _step(database: Database, settings: Settings, proof_id: str, round_: int) -> None:
    try:
        with database.writing() as session:
            proof = proving.take(session, proof_id, round_)
            if proof is not None:
                _go_on(session, proof, settings)
    except OperationalError:
        raise
    except Exception:
        # It would break again each time: what the runs reached is in their own rows.
        log.exception("the proof of %s broke off", proof_id)
        with database.writing() as session:
            proof = proving.take(session, proof_id, round_)
            if proof is not None:
                proving.finish(session, proof, None)


def start_repairs(session: Session, job_id: str, settings: Settings) -> None:
    """Begin the proof of a run that just ended, if it asks for that and is unhealthy.

    A fault of ours in it is logged: the run's end stands.
    """
    job = session.get_one(Job, job_id)
    wanted = job.spec.get("repair") == "auto" and job.verdict == "unhealthy"
    if not wanted or job.parent_id is not None:
        return
    try:
        with session.begin_nested():
            _start(session, job, settings)
    except OperationalError:
        raise
    except Exception:
        log.exception("the proof of %s could not begin", job_id)


def _start(session: Session, job: Job, settings: Settings) -> None:
    stored = session.get_one(Result, job.id).diagnosis
    variants = Variants(job, settings)
    trials = plan(Diagnosis.from_dict(stored), variants)
    if trials:
        proof = proving.repairs_of(job, at=clock.read(session))
        proving.start(session, proof, trials, variants, job)


def _go_on(session: Session, proof: Proof, settings: Settings) -> None:
    if proof.kind == "hybrids":  # what they show is worked out when it is asked for
        return proving.finish(session, proof, {})
    job = session.get_one(Job, proof.job_id)
    stored = session.get_one(Result, proof.job_id).diagnosis
    diagnosis, variants = Diagnosis.from_dict(stored), Variants(job, settings)
    trials = [Trial.from_dict(trial) for trial in proof.plan]
    measure = yardstick(**vars(measure_of(session, job)))
    outcomes = [_outcome(session, run) for run in [job, *proving.runs(session, proof.id)]]
    report = judge(diagnosis, trials, outcomes, measure)
    more = [] if proof.last_round else further(diagnosis, variants, trials, report, outcomes)
    if more:
        proving.go_on(session, proof, more, variants, job)
        return None
    proving.finish(session, proof, report.to_dict())
    final = concluded(stored, report, trials, job.epochs)
    return proving.conclude(
        session, job.id, verdict=final["verdict"], headline=final["headline"], diagnosis=final
    )


def _outcome(session: Session, run: Job) -> Outcome:
    """The job itself is a run of the unchanged spec."""
    result = session.get(Result, run.id)
    return Outcome(
        trial=run.trial or BASELINE,
        seed=run.spec["training"].get("seed", 0),
        ran=run.status == Status.SUCCEEDED,
        value=value_of(run),
        diagnosis=Diagnosis.from_dict(result.diagnosis) if result else None,
    )
