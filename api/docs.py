"""/docs: Swagger UI, all of it from here. The page loads nothing from anywhere else, nor could."""

from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import Response
from fastapi.responses import HTMLResponse

from contract.errors import NotFound

_OURS = files("api") / "pages"
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
    html = (_OURS / "docs.html").read_text()
    return HTMLResponse(html, headers={"Content-Security-Policy": _POLICY})


def asset(name: str) -> Response:
    """One of the files that the page names. Raises NotFound for any other."""
    if name not in _ASSETS:
        raise NotFound(f"/docs has no {name}; it has {', '.join(_ASSETS)}")
    folder, media_type = _ASSETS[name]
    content = (folder / name).read_bytes()
    return Response(content, headers={"Cache-Control": "max-age=3600"}, media_type=media_type)
