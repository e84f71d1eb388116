"""The steps of proofs: what is tried next when a round of runs has ended, and what came of it."""

import logging
from functools import partial

from sqlmodel import Session

from contract.errors import Unreadable
from contract.jobs.queue_limit import room
from contract.jobs.results import measure_of, value_of
from contract.jobs.variants import Variants
from contract.proofs import lifecycle as proofs
from contract.settings import Settings
from contract.store import clock
from contract.store.database import Database
from contract.store.documents import read
from contract.store.status import Status
from contract.store.tables import Job, Proof, Result
from contract.store.transient_faults import passes
from diagnosis.proof.conclude import concluded
from diagnosis.proof.judge import judge
from diagnosis.proof.plan import further, plan
from diagnosis.proof.trial import BASELINE, Outcome, Trial
from diagnosis.proof.yardstick import yardstick
from diagnosis.report import Diagnosis
from worker.duties.attempts import Attempts
from worker.duties.room_for_trials import Full, check_places

log = logging.getLogger(__name__)


class Prover:
    """Looks after the proofs whose runs have ended."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._attempts = Attempts("the proof of")
        # Those whose next round waits for places in their owner's queue: whose, and how many.
        self._waiting: dict[str, tuple[str, int]] = {}

    def prove(self) -> None:
        """Take the next step of each proof that has one."""
        with self._database.reading() as session:
            ready = dict(proofs.ready(session))
            full = {id_ for id_ in self._waiting.keys() & ready.keys() if self._full(session, id_)}
        self._waiting = {id_: self._waiting[id_] for id_ in full}
        self._attempts.keep(ready)
        for id_, round_ in ready.items():
            if id_ not in full and self._attempts.due(id_):
                step, give_up = partial(self._step, id_, round_), partial(self._fail, id_, round_)
                if not self._attempts.make(id_, step, give_up):
                    return

    def _full(self, session: Session, proof_id: str) -> bool:
        owner, places = self._waiting[proof_id]
        return room(session, owner, self._settings) < places

    def _step(self, proof_id: str, round_: int) -> None:
        try:
            with self._database.writing() as session:
                proof = proofs.take(session, proof_id, round_)
                if proof is not None:
                    _go_on(session, proof, self._settings)
        except Full as full:
            log.info("the proof of %s waits: %s", proof_id, full)
            self._waiting[proof_id] = full.owner, full.places

    def _fail(self, proof_id: str, round_: int) -> None:
        """What the runs reached is in their own rows."""
        with self._database.writing() as session:
            proof = proofs.take(session, proof_id, round_)
            if proof is not None:
                proofs.finish(session, proof, None)


def start_repairs(session: Session, job_id: str, settings: Settings) -> None:
    """Begin the proof of a run that just ended, if it asks for that and is unhealthy.

    Where there is no room for its runs it does not begin, and the diagnosis says so. A fault of
    ours in it is logged: the run's end stands.
    """
    job = session.get_one(Job, job_id)
    wanted = job.spec.get("repair") == "auto" and job.verdict == "unhealthy"
    if not wanted or job.parent_id is not None:
        return
    try:
        with session.begin_nested():
            _start(session, job, settings)
    except Exception as error:
        if passes(error):
            raise
        log.exception("the proof of %s could not begin", job_id)


def _start(session: Session, job: Job, settings: Settings) -> None:
    result = session.get_one(Result, job.id)
    variants = Variants(job, settings)
    trials = plan(read(Diagnosis, result.diagnosis), variants)
    if not trials:
        return
    refused = check_places(session, job.owner, job.sweep_id, len(trials), settings)
    if refused is not None:
        log.info("the proof of %s does not begin: %s", job.id, refused)
        told = f"Its repairs were not tried: {refused}. POST /v1/jobs/{job.id}/repairs tries them."
        remarks = [*result.diagnosis.get("remarks", ()), told]
        result.diagnosis = {**result.diagnosis, "remarks": remarks}
        return
    proof = proofs.repairs_of(job, at=clock.read(session))
    proofs.start(session, proof, trials, variants, job.sweep_id)


def _go_on(session: Session, proof: Proof, settings: Settings) -> None:
    """Raises Full where the next round has to wait."""
    if proof.kind == "hybrids":  # what they show is worked out when it is asked for
        return proofs.finish(session, proof, {})
    job = session.get_one(Job, proof.job_id)
    stored = session.get_one(Result, proof.job_id).diagnosis
    diagnosis, variants = read(Diagnosis, stored), Variants(job, settings)
    trials = read(list[Trial], proof.plan)
    measure = yardstick(**vars(measure_of(session, job)))
    runs = proofs.runs(session, proof.id)
    outcomes = [_outcome(session, run) for run in [job, *runs]]
    report = judge(diagnosis, trials, outcomes, measure)
    more = [] if proof.last_round else further(diagnosis, variants, trials, report, outcomes)
    sweep_id = runs[0].sweep_id if runs else None
    places = len(more) * len(proof.seeds)
    if more and check_places(session, job.owner, sweep_id, places, settings, waits=True) is None:
        proofs.go_on(session, proof, more, variants, sweep_id)
        return None
    proofs.finish(session, proof, report.to_dict())
    final = concluded(stored, report, trials, job.epochs)
    return proofs.conclude(
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
        diagnosis=_diagnosis(result) if result else None,
    )


def _diagnosis(result: Result) -> Diagnosis | None:
    """None of another version's that cannot be read: the run's own result stands."""
    try:
        return read(Diagnosis, result.diagnosis)
    except Unreadable as error:
        log.warning("%s is judged without its diagnosis: %s", result.job_id, error)
        return None
