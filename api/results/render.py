"""What a run has left, into the objects that the API answers with."""

from collections.abc import Mapping, Sequence

from api.http import json_numbers
from api.jobs import queries as job_queries
from api.jobs.urls import url
from api.results import responses
from contract.store.documents import read
from contract.store.numbers import encode
from contract.store.tables import Job, Result


def curves(epochs: Sequence[job_queries.Epoch]) -> dict[str, list[json_numbers.Number]]:
    """Columns of equal length; a metric that an epoch does not have is null there."""
    names = dict.fromkeys(name for _, metrics, _, _ in epochs for name in metrics)
    columns = {
        "epoch": [epoch for epoch, _, _, _ in epochs],
        **{name: [metrics.get(name) for _, metrics, _, _ in epochs] for name in names},
        "learning_rate": [rate for _, _, rate, _ in epochs],
        "seconds": [seconds for _, _, _, seconds in epochs],
    }
    encoded: dict[str, list[json_numbers.Number]] = encode(columns)
    return encoded


def results(
    row: Job,
    result: Result | None,
    epochs: Sequence[job_queries.Epoch],
    first_losses: Sequence[json_numbers.Number],
) -> responses.Results:
    """`result` is None for jobs that failed or were cancelled."""
    first_taken = row.started_at or row.finished_at
    queued = (first_taken - row.created_at).total_seconds() if first_taken else None
    return read(
        responses.Results,
        {
            "job": row.id,
            "status": row.status,
            "verdict": row.verdict,
            "headline": row.headline,
            "error": row.error,
            "metrics": row.metrics,
            "curves": curves(epochs),
            "first_losses": first_losses,
            "confusion_matrix": result and result.confusion_matrix,
            "timing": {**(result.timing if result else {}), "queued_seconds": queued},
            "environment": result.environment if result else {},
            "diagnosis": result and result.diagnosis,
            "artifacts": _artifacts(row.id, result.artifacts if result else {}),
        },
    )


def _artifacts(job_id: str, artifacts: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    return {name: {**kept, "url": url(job_id, name)} for name, kept in artifacts.items()}
