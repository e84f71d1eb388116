"""Where a newcomer finds things. Nothing here needs a key."""

from fastapi import APIRouter, Request, Response

from api.service import docs_page, responses

router = APIRouter(tags=["health"])


@router.get("/")
async def get_service(request: Request) -> responses.Service:
    """What this is, and where to go on."""
    return responses.Service(version=request.app.version)


@router.get("/openapi.json", include_in_schema=False)
def get_description(request: Request) -> Response:
    return docs_page.sent(request.app.described, "application/json")


@router.get("/docs", include_in_schema=False)
def get_docs() -> Response:
    return docs_page.page()


@router.get("/docs/{name}", include_in_schema=False)
def get_docs_asset(name: str) -> Response:
    return docs_page.asset(name)
