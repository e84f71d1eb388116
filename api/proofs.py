"""Diagnoses and proofs into the objects that the API answers with."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session

from api import diagnoses, news
from api.job_urls import url
from contract import proving
from contract.numbers import encode
from contract.outcomes import value_of
from contract.proof import ProofStatus
from contract.status import Status
from contract.tables import Job, Proof, Result
from diagnosis.trials import Trial


def diagnosis(session: Session, job: Job) -> diagnoses.Diagnosis:
    """Of a job that has ended."""
    result, row = session.get(Result, job.id), session.get(Proof, job.id)
    stored: Mapping[str, Any] = result.diagnosis if result else {}
    standing: Mapping[str, Any] = (row.report or {}).get("causes", {}) if row else {}
    causes = [{**c, "standing": standing.get(c["code"])} for c in stored.get("causes", ())]
    return diagnoses.Diagnosis.model_validate(
        {
            "job": job.id,
            "status": job.status,
            "verdict": job.verdict,
            "headline": job.headline,
            "causes": causes,
            "remarks": stored.get("remarks", ()),
            "proof": row and proof(session, row),
        }
    )


def proof(session: Session, row: Proof) -> diagnoses.Proof:
    report = row.report or {}
    judged = {each["trial"]: each for each in report.get("judgements", ())}
    runs = proving.runs(session, row.id)
    trials = [Trial.from_dict(stored) for stored in row.plan]
    found = {t.code: [_run(run) for run in runs if run.trial == t.code] for t in trials}
    return diagnoses.Proof.model_validate(
        {
            **row.model_dump(include=set(diagnoses.Proof.model_fields) - {"object"}),
            "job": row.job_id,
            **{name: report.get(name) for name in ("baseline", "bar", "best")},
            "ties": report.get("ties", []),
            "needed": report.get("needed", {}),
            "trials": [_trial(t, judged.get(t.code, {}), found[t.code]) for t in trials],
        }
    )


def topics(session: Session, row: Proof) -> dict[str, int]:
    """What a wait for news of the proof waits for: the topic, and its seq as it is now."""
    if row.status != ProofStatus.RUNNING:
        return {}
    return {
        topic: found.seq for topic, found in news.of_proofs(session.connection(), [row.id]).items()
    }


def _trial(
    trial: Trial, judged: Mapping[str, Any], runs: Sequence[diagnoses.Run]
) -> dict[str, Any]:
    return {
        "code": trial.code,
        "title": trial.title,
        "changes": [change.code for change in trial.changes],
        "patch": trial.patch,
        "epochs": trial.epochs,
        "mask": trial.mask,
        "repairs": trial.repairs,
        "rival_of": trial.rival_of,
        **{name: judged.get(name) for name in ("outcome", "value", "gain", "noise", "spread")},
        "runs": runs,
    }


def _run(job: Job) -> diagnoses.Run:
    return diagnoses.Run(
        job=job.id,
        url=url(job.id),
        seed=job.spec["training"].get("seed", 0),
        status=Status(job.status),
        value=encode(value_of(job)),
        verdict=job.verdict,
    )
