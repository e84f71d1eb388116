"""What was measured of a run while it trained."""

from fastapi import APIRouter

from api import signals
from api.deps import AppDatabase, JobById
from contract.signals import stored_signals

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["results"])


@router.get("/signals")
def get_signals(job: JobById, database: AppDatabase) -> signals.Signals:
    """What there is so far; the first signals come with the first epochs."""
    with database.reading() as session:
        found = stored_signals(session, job.id)
    return signals.Signals.model_validate({"job": job.id, "status": job.status, **found})
