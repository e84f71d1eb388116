"""Where a newcomer finds things. Nothing here needs a key."""

from fastapi import APIRouter, Request, Response

from api import docs, inventory

router = APIRouter(tags=["health"])


@router.get("/")
async def get_service(request: Request) -> inventory.Service:
    """What this is, and where to go on."""
    return inventory.Service(version=request.app.version)


@router.get("/openapi.json", include_in_schema=False)
def get_description(request: Request) -> Response:
    return docs.sent(request.app.described, "application/json")


@router.get("/docs", include_in_schema=False)
def get_docs() -> Response:
    return docs.page()


@router.get("/docs/{name}", include_in_schema=False)
def get_docs_asset(name: str) -> Response:
    return docs.asset(name)
