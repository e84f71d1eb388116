"""Two jobs side by side: what differs, and which of it explains how they ended."""

from collections.abc import Sequence
from contextlib import suppress

from sqlmodel import Session

from api.diagnosis import render as diagnosis_render
from api.diagnosis import responses
from api.jobs import queries as job_queries
from api.jobs.urls import url
from api.results import render
from contract.errors import Unreadable
from contract.jobs.results import measure_of, value_of
from contract.jobs.signals import stored_signals
from contract.jobs.variants import full_spec
from contract.proofs import lifecycle as proofs
from contract.store.documents import read
from contract.store.status import TERMINAL, Status
from contract.store.tables import Job, Proof, Result
from diagnosis.comparison.explain import Explanation, Side, explain, explain_by_runs
from diagnosis.differences import Difference, differences
from diagnosis.proof.trial import Outcome, Trial
from diagnosis.proof.yardstick import Yardstick, yardstick
from diagnosis.report import Diagnosis


def comparison(session: Session, first: Job, second: Job) -> responses.Comparison:
    """Two jobs side by side, with what the runs between them showed, where there are any."""
    found = between(first, second)
    proof = session.get(Proof, proofs.pair(first, second))
    return responses.Comparison.model_validate(
        {
            "jobs": [_compared(session, job) for job in (first, second)],
            "patch": [operation for each in found for operation in each.patch],
            "differences": [{**vars(each), "decides": each.decides} for each in found],
            "explanation": _explanation(session, first, second, found, proof),
            "hybrids": proof and diagnosis_render.proof(session, proof),
        },
        from_attributes=True,
    )


def between(first: Job, second: Job) -> list[Difference]:
    """The differences of the two specs with all their defaults."""
    return differences(full_spec(first), full_spec(second))


def topics(session: Session, first: Job, second: Job) -> dict[str, int]:
    """What a wait for news of the comparison waits for, each with its seq as it is now."""
    open_ = {job.id: job.events for job in (first, second) if job.status not in TERMINAL}
    proof = session.get(Proof, proofs.pair(first, second))
    return open_ | (diagnosis_render.topics(session, proof) if proof else {})


def _compared(session: Session, job: Job) -> responses.Compared:
    told = {
        **job.model_dump(include=set(responses.Compared.model_fields)),
        "job": job.id,
        "url": url(job.id),
        "curves": render.curves(job_queries.epochs(session, job.id)),
        "signals": stored_signals(session, job.id),
    }
    return read(responses.Compared, told)


def _explanation(
    session: Session, first: Job, second: Job, found: Sequence[Difference], proof: Proof | None
) -> Explanation:
    fields = [each.pointer for each in found if each.decides]
    waiting = [job.id for job in (first, second) if job.status not in TERMINAL]
    if waiting:
        detail = f"{' and '.join(waiting)} has not ended yet."
        return Explanation("undecided", fields, detail)
    measures = [yardstick(**vars(measure_of(session, job))) for job in (first, second)]
    if measures[0].metric != measures[1].metric:
        detail = "The two have different tasks, whose results are not of one kind."
        return Explanation("undecided", fields, detail)
    sides = (_side(session, first), _side(session, second))
    if proof is not None and proof.status == "done":
        return _by_runs(session, sides, fields, proof, measures[0])
    return explain(sides, found, measures[0])


def _by_runs(
    session: Session,
    sides: tuple[Side, Side],
    fields: Sequence[str],
    proof: Proof,
    measure: Yardstick,
) -> Explanation:
    runs = proofs.runs(session, proof.id)
    outcomes = [
        Outcome(run.trial or "", 0, run.status == Status.SUCCEEDED, value_of(run)) for run in runs
    ]
    trials = read(list[Trial], proof.plan)
    return explain_by_runs(sides, trials, outcomes, fields, measure)


def _side(session: Session, job: Job) -> Side:
    result = session.get(Result, job.id)
    return Side(value_of(job), _diagnosis(result) if result else None)


def _diagnosis(result: Result) -> Diagnosis | None:
    """None of another version's that cannot be read."""
    with suppress(Unreadable):
        return read(Diagnosis, result.diagnosis)
    return None
