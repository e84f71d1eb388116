"""Diagnoses and proofs into the objects that the API answers with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import Session

from api.diagnosis import responses
from api.http import json_numbers
from api.jobs import news
from api.jobs.urls import url
from contract.jobs.results import value_of
from contract.proofs import lifecycle as proofs
from contract.store.documents import read
from contract.store.numbers import encode
from contract.store.status import Status
from contract.store.tables import Job, Proof, ProofStatus, Result
from diagnosis.proof.trial import Trial


@dataclass(frozen=True)
class _Stored:
    """Of `diagnosis.report.Diagnosis` what is answered as it is stored."""

    causes: list[dict[str, Any]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Report:
    """Of `diagnosis.proof.judgement.Report` likewise."""

    baseline: json_numbers.Number = None
    bar: json_numbers.Number = None
    best: str | None = None
    ties: list[str] = field(default_factory=list)
    needed: dict[str, bool] = field(default_factory=dict)
    causes: dict[str, str] = field(default_factory=dict)
    judgements: list[dict[str, Any]] = field(default_factory=list)


_AS_STORED = ("baseline", "bar", "best", "ties", "needed")


def diagnosis(session: Session, job: Job) -> responses.Diagnosis:
    """Of a job that has ended."""
    result, row = session.get(Result, job.id), session.get(Proof, job.id)
    stored = read(_Stored, result.diagnosis if result else {})
    standing = read(_Report, row.report or {}).causes if row else {}
    causes = [{**c, "standing": standing.get(str(c.get("code")))} for c in stored.causes]
    return read(
        responses.Diagnosis,
        {
            "job": job.id,
            "status": job.status,
            "verdict": job.verdict,
            "headline": job.headline,
            "causes": causes,
            "remarks": stored.remarks,
            "proof": row and proof(session, row),
        },
    )


def proof(session: Session, row: Proof) -> responses.Proof:
    """A proof with its trials, each with its runs and, once it was judged, its judgement."""
    report = read(_Report, row.report or {})
    judged = {each.get("trial"): each for each in report.judgements}
    runs = proofs.runs(session, row.id)
    trials = read(list[Trial], row.plan)
    found = {t.code: [_run(run) for run in runs if run.trial == t.code] for t in trials}
    return read(
        responses.Proof,
        {
            **row.model_dump(include=set(responses.Proof.model_fields) - {"object"}),
            "job": row.job_id,
            **{name: getattr(report, name) for name in _AS_STORED},
            "trials": [_trial(t, judged.get(t.code, {}), found[t.code]) for t in trials],
        },
    )


def topics(session: Session, row: Proof) -> dict[str, int]:
    """What a wait for news of the proof waits for: the topic, and its seq as it is now."""
    if row.status != ProofStatus.RUNNING:
        return {}
    return {
        topic: found.seq for topic, found in news.of_proofs(session.connection(), [row.id]).items()
    }


def _trial(
    trial: Trial, judged: Mapping[str, Any], runs: Sequence[responses.Run]
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


def _run(job: Job) -> responses.Run:
    return responses.Run(
        job=job.id,
        url=url(job.id),
        seed=job.spec["training"].get("seed", 0),
        status=Status(job.status),
        value=encode(value_of(job)),
        verdict=job.verdict,
    )
