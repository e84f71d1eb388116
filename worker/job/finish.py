"""What a run that came to its end amounts to."""

import logging
from dataclasses import asdict
from typing import Any

from sqlmodel import Session, col, select

from contract.errors import Unreadable
from contract.experiment.datasets import aimed
from contract.experiment.spec import described
from contract.jobs import lifecycle
from contract.jobs.lifecycle import Claim
from contract.jobs.signals import stored_signals
from contract.settings import Settings
from contract.store.documents import read
from contract.store.numbers import decode, encode
from contract.store.tables import EpochRow, Result
from contract.store.transient_faults import passes
from diagnosis.diagnose import diagnose
from diagnosis.report import Diagnosis
from diagnosis.run.case import Case
from diagnosis.run.signals import NONE, Signals
from worker.duties.advance_proofs import start_repairs
from worker.protocol import Finished, Train

log = logging.getLogger(__name__)

_UNDIAGNOSED = Diagnosis("undetermined", "The run came to its end and could not be diagnosed.")


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
    known, diagnosis = _judged(session, order, done)
    result = Result(
        job_id=order.job_id,
        confusion_matrix=done.confusion_matrix,
        timing=done.timing,
        environment=done.environment,
        diagnosis=encode({**known, **diagnosis.to_dict()}),
        artifacts=_artifacts(done),
    )
    return result, diagnosis


def _artifacts(done: Finished) -> dict[str, dict[str, Any]]:
    kept = {name: {**vars(stored)} for name, stored in done.artifacts.items()}
    if "model" in kept:
        kept["model"]["epoch"] = done.model_epoch
    return kept


def _judged(session: Session, order: Train, done: Finished) -> tuple[dict[str, Any], Diagnosis]:
    """What is known of the run, with what is attainable on its task, and its diagnosis.

    A fault in it is ours: the run's results stand, with as much as could be worked out.
    """
    known: dict[str, Any] = {"attainable": None}
    diagnosis = _UNDIAGNOSED
    try:
        case = _case(session, order, done)
        known |= case.summary.to_dict()
        diagnosis = Diagnosis("undetermined", case.summary.headline)
        diagnosis, known["attainable"] = diagnose(case), case.standing.attainable
    except Exception as error:
        if passes(error):
            raise
        log.exception("%s could not be diagnosed", order.job_id)
    return known, diagnosis


def _case(session: Session, order: Train, done: Finished) -> Case:
    rows = session.exec(
        select(EpochRow).where(col(EpochRow.job_id) == order.job_id).order_by(col(EpochRow.epoch))
    ).all()
    names = dict.fromkeys(name for row in rows for name in row.metrics)
    return Case(
        spec=described(order.experiment),
        facts=asdict(aimed(order.experiment.dataset, order.facts)),
        curve={name: [decode(row.metrics.get(name)) for row in rows] for name in names},
        metrics=done.metrics,
        reason=done.reason,
        class_counts=done.class_counts,
        signals=_signals(session, order.job_id),
    )


def _signals(session: Session, job_id: str) -> Signals:
    try:
        return read(Signals, stored_signals(session, job_id))
    except Unreadable as error:
        log.warning("%s is diagnosed without its signals: %s", job_id, error)
        return NONE
