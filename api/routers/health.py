"""Whether the service lives, and whether it can do its work."""

from fastapi import APIRouter, HTTPException, Request

from api import inventory
from api.readiness import NotServing
from contract.revision import REVISION

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def get_health() -> inventory.Health:
    """200 while the process answers."""
    return inventory.Health()


@router.get("/readyz", responses={503: {}})
async def get_readiness(request: Request) -> inventory.Readiness:
    """200 when jobs can be taken in, else 503 with the reason; either within 100 ms."""
    try:
        broker = await request.app.state.readiness.check()
    except NotServing as fault:
        raise HTTPException(503, str(fault), {"Retry-After": "5"}) from fault
    return inventory.Readiness(database=REVISION, broker=broker)
