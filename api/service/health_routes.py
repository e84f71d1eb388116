"""Whether the service lives, and whether it can do its work."""

from fastapi import APIRouter, HTTPException, Request

from api.service import responses as service_responses
from api.service.readiness import NotServing
from contract.store.revision import REVISION

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def get_health() -> service_responses.Health:
    """200 while the process answers."""
    return service_responses.Health()


@router.get("/readyz", responses={503: {}})
async def get_readiness(request: Request) -> service_responses.Readiness:
    """200 when jobs can be taken in, else 503 with the reason; either within 100 ms."""
    try:
        broker = await request.app.state.readiness.check()
    except NotServing as fault:
        raise HTTPException(503, str(fault), {"Retry-After": "5"}) from fault
    return service_responses.Readiness(database=REVISION, broker=broker)
