"""What was measured of a run while it trained."""

from fastapi import APIRouter, Response

from api import signals
from api.dependencies import AppDatabase
from api.deps import JobById
from api.rendered import rendered
from api.threads import in_threads
from contract.signals import stored_signals
from contract.stored import read

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["results"])


@router.get("/signals", response_model=signals.Signals)
@in_threads("working")
def get_signals(job: JobById, database: AppDatabase) -> Response:
    """What there is so far; the first signals come with the first epochs."""
    with database.reading() as session:
        found = stored_signals(session, job.id)
    shown = {"job": job.id, "status": job.status, **found}
    return rendered(read(signals.Signals, shown))
