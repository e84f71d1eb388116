"""What a run that came to its end amounts to."""

from sqlmodel import Session, col, select

from contract import lifecycle
from contract.lifecycle import Claim
from contract.numbers import decode
from contract.settings import Settings
from contract.tables import EpochRow, Result
from diagnosis.summary import Summary, summarise
from worker.messages import Finished, Train
from worker.prover import start_repairs


def succeed(
    session: Session, held: Claim, order: Train, done: Finished, settings: Settings
) -> bool:
    """End the run, and begin the proof of its diagnosis if it asks for that by itself."""
    result, summary = outcome(session, order, done)
    ours = lifecycle.succeed(
        session,
        held,
        result,
        metrics=done.metrics,
        verdict=summary.verdict,
        headline=summary.headline,
    )
    if ours:
        start_repairs(session, held.job_id, settings)
    return ours


def outcome(session: Session, order: Train, done: Finished) -> tuple[Result, Summary]:
    """The row to store, and the summary of the whole curve, earlier attempts' epochs included."""
    rows = session.exec(
        select(EpochRow).where(col(EpochRow.job_id) == order.job_id).order_by(col(EpochRow.epoch))
    ).all()
    facts = order.facts
    summary = summarise(
        task=facts.task,
        classes=facts.classes,
        test_examples=order.experiment.dataset.test_examples(facts),
        curve={name: [decode(row.metrics[name]) for row in rows] for name in rows[0].metrics},
        metrics=done.metrics,
        reason=done.reason,
        class_counts=done.class_counts,
    )
    result = Result(
        job_id=order.job_id,
        confusion_matrix=done.confusion_matrix,
        timing=done.timing,
        environment=done.environment,
        diagnosis=summary.to_dict(),
        artifacts={name: vars(stored) for name, stored in done.artifacts.items()},
    )
    return result, summary
