"""/docs: Swagger UI, all of it from here. The page loads nothing from anywhere else, nor could."""

from collections.abc import AsyncIterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import Response
from fastapi.responses import HTMLResponse, StreamingResponse

from api.http.wire.outgoing import PIECE
from contract.errors import NotFound

_OURS = files("api.service") / "pages"
_SWAGGER = files("fastapi_swagger.resources")
_ASSETS: dict[str, tuple[Traversable, str]] = {
    "docs.js": (_OURS, "text/javascript"),
    "swagger-ui-bundle.js": (_SWAGGER, "text/javascript"),
    "swagger-ui.css": (_SWAGGER, "text/css"),
    "favicon-32x32.png": (_SWAGGER, "image/png"),
}
# Swagger UI sets styles of elements, and draws its icons from data: URLs in its style sheet.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def page() -> HTMLResponse:
    """Swagger UI, with a policy that lets it load nothing from elsewhere."""
    html = (_OURS / "docs.html").read_text()
    return HTMLResponse(html, headers={"Content-Security-Policy": _POLICY})


def asset(name: str) -> Response:
    """One of the files that the page names. Raises NotFound for any other."""
    if name not in _ASSETS:
        raise NotFound(f"/docs has no {name}; it has {', '.join(_ASSETS)}")
    headers = {"Cache-Control": "max-age=3600"}
    return sent(_content(name), _ASSETS[name][1], headers)


def sent(content: bytes, media_type: str, headers: Mapping[str, str] = {}) -> Response:
    """In pieces: to have all of it for each reader, however slow, took 1.5 MB each."""
    headers = {**headers, "Content-Length": str(len(content))}
    return StreamingResponse(_pieces(content), headers=headers, media_type=media_type)


@cache
def _content(name: str) -> bytes:
    """Kept: each reader has the same."""
    folder, _ = _ASSETS[name]
    return (folder / name).read_bytes()


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]
