"""What a run that came to its end amounts to."""

import logging
from dataclasses import asdict

from sqlmodel import Session, col, select

from contract import lifecycle
from contract.lifecycle import Claim
from contract.numbers import decode, encode
from contract.settings import Settings
from contract.signals import stored_signals
from contract.tables import EpochRow, Result
from diagnosis.case import Case
from diagnosis.engine import diagnose
from diagnosis.report import Diagnosis
from diagnosis.signals import from_dict
from worker.messages import Finished, Train
from worker.prover import start_repairs

log = logging.getLogger(__name__)


def succeed(
    session: Session, held: Claim, order: Train, done: Finished, settings: Settings
) -> bool:
    """End the run, and begin the proof of its diagnosis if it asks for that by itself."""
    result, diagnosis = outcome(session, order, done)
    ours = lifecycle.succeed(
        session,
        held,
        result,
        metrics=done.metrics,
        verdict=diagnosis.verdict,
        headline=diagnosis.headline,
    )
    if ours:
        start_repairs(session, held.job_id, settings)
    return ours


def outcome(session: Session, order: Train, done: Finished) -> tuple[Result, Diagnosis]:
    """The row to store, and the diagnosis of the whole run, earlier attempts' epochs included."""
    case = _case(session, order, done)
    diagnosis, attainable = _diagnosis(case, order.job_id)
    result = Result(
        job_id=order.job_id,
        confusion_matrix=done.confusion_matrix,
        timing=done.timing,
        environment=done.environment,
        diagnosis=encode(
            {**case.summary.to_dict(), "attainable": attainable, **diagnosis.to_dict()}
        ),
        artifacts={name: vars(stored) for name, stored in done.artifacts.items()},
    )
    return result, diagnosis


def _case(session: Session, order: Train, done: Finished) -> Case:
    rows = session.exec(
        select(EpochRow).where(col(EpochRow.job_id) == order.job_id).order_by(col(EpochRow.epoch))
    ).all()
    return Case(
        spec=order.experiment.model_dump(mode="json"),
        facts=asdict(order.facts),
        curve={name: [decode(row.metrics[name]) for row in rows] for name in rows[0].metrics},
        metrics=done.metrics,
        reason=done.reason,
        class_counts=done.class_counts,
        signals=from_dict(stored_signals(session, order.job_id)),
    )


def _diagnosis(case: Case, job_id: str) -> tuple[Diagnosis, float | None]:
    """With what is attainable on the task, where that is known.

    A fault in the engine is ours: the run's results stand, with what its curve says.
    """
    try:
        return diagnose(case), case.standing.attainable
    except Exception:
        log.exception("%s could not be diagnosed", job_id)
        return Diagnosis("undetermined", case.summary.headline), None
