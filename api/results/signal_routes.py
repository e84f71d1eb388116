"""What was measured of a run while it trained."""

from fastapi import APIRouter, Response

from api.dependencies import AppDatabase
from api.http.model_response import rendered
from api.http.threads import in_threads
from api.jobs.dependencies import JobById
from api.results import signal_responses
from contract.jobs.signals import stored_signals
from contract.store.documents import read

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["results"])


@router.get("/signals", response_model=signal_responses.Signals)
@in_threads("working")
def get_signals(job: JobById, database: AppDatabase) -> Response:
    """What there is so far; the first signals come with the first epochs."""
    with database.reading() as session:
        found = stored_signals(session, job.id)
    shown = {"job": job.id, "status": job.status, **found}
    return rendered(read(signal_responses.Signals, shown))
