"""Whether the service lives, and whether it can do its work."""

from fastapi import APIRouter, HTTPException, Request

from api import inventory
from api.readiness import NotServing, broker_state, schema_revision

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def get_health() -> inventory.Health:
    """200 while the process answers."""
    return inventory.Health()


@router.get("/readyz", responses={503: {}})
def get_readiness(request: Request) -> inventory.Readiness:
    """200 when jobs can be taken in, else 503 with the reason."""
    state = request.app.state
    try:
        revision = schema_revision(state.database.engine)
    except NotServing as fault:
        raise HTTPException(503, str(fault), {"Retry-After": "5"}) from fault
    return inventory.Readiness(database=revision, broker=broker_state(state.bell.app))
