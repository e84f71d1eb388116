"""A run's signals, which are measured and stored in parts, put together again."""

from collections.abc import Iterable
from typing import Any

from sqlmodel import Session, col, select

from contract.jobs.reports import Signal
from contract.store.tables import SignalRow


def stored_signals(session: Session, job_id: str) -> dict[str, Any]:
    """Those of a job, as `together` gives them, with non-finite numbers as strings."""
    rows = session.exec(
        select(SignalRow).where(SignalRow.job_id == job_id).order_by(col(SignalRow.step))
    ).all()
    return together(rows)


def together(parts: Iterable[Signal | SignalRow]) -> dict[str, Any]:
    """The fields of `diagnosis.run.signals.Signals` as far as they are known.

    `parts` come in the order of their steps.
    """
    rows = list(parts)
    found: dict[str, Any] = {"data": None, "curvature": None, "steps_per_epoch": 0}
    for row in rows:
        if row.kind == "run":
            found |= row.document
    return found | {
        "first_losses": [x for row in rows if row.kind == "losses" for x in _losses(row)],
        "non_finite_step": next((row.step for row in rows if row.kind == "non_finite"), None),
        "moments": [row.document for row in rows if row.kind == "moment"],
    }


def first_losses(session: Session, job_id: str) -> list[Any]:
    """The losses of the first training steps alone, in order."""
    parts = session.exec(
        select(SignalRow)
        .where(SignalRow.job_id == job_id, SignalRow.kind == "losses")
        .order_by(col(SignalRow.step))
    )
    return [loss for part in parts for loss in _losses(part)]


def _losses(part: Signal | SignalRow) -> list[Any]:
    return list(part.document.get("losses", ()))
