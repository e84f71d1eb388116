"""Problem details (RFC 9457): one shape for every answer of 4xx and 5xx, the framework's included.

`type` is a path that stays the same for one kind of problem; programs compare it, people read
`title` and `detail`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from api.http.pointers import Source
from api.http.validation_errors import Fault, faults_in
from contract.errors import PlateauError, SpecRefused, Unavailable

MEDIA_TYPE = "application/problem+json"
# What the framework raises, and what api.http.request_body raises in its name.
_HTTP = {
    400: ("malformed-body", "The body is not JSON as it is taken here"),
    404: ("not-found", "Not found"),
    405: ("method-not-allowed", "This route does not have this method"),
    408: ("too-slow", "The request came too slowly"),
    413: ("body-too-large", "The body is too large"),
    415: ("unsupported-media-type", "The body's media type is not accepted"),
    503: ("unavailable", Unavailable.title),
}
# What api.http.wire.protocol answers to what it cannot or will not read.
WIRE = {
    400: ("malformed-request", "This is not HTTP"),
    408: _HTTP[408],
    431: ("head-too-large", "The request's head is too large"),
}
_PARAMETER = ("invalid-parameter", "A parameter cannot be accepted")
_UNEXPECTED = ("internal-error", PlateauError.title)


class Problem(BaseModel):
    """An error, as RFC 9457 has it. Members that do not apply are left out."""

    type: str = Field(description="a path that names this kind of problem, for programs")
    title: str = Field(description="the same in words")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="what was wrong, what was expected, what to do")
    instance: str = Field(description="the path that was asked for")
    request_id: str | None = Field(None, description="what the log calls this request")
    errors: list[Fault] | None = Field(None, description="each field at fault, at most 20")
    errors_left_out: int | None = Field(None, description="how many more there are")

    def response(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        """The answer, of the media type `application/problem+json`."""
        content = self.model_dump(exclude_none=True)
        return JSONResponse(content, self.status, headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let `app` answer every error with a problem."""
    app.add_exception_handler(PlateauError, plateau_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)


def _problem(request: Request, slug: str, title: str, status: int, detail: str) -> Problem:
    return Problem(
        type=f"/problems/{slug}",
        title=title,
        status=status,
        detail=detail,
        instance=quote(request.scope["path"]),
        request_id=getattr(request.state, "request_id", None),
    )


def kinds() -> dict[int, dict[str, str]]:
    """By status, what a problem's `type` can be, with its title: all that there are."""
    found: dict[int, dict[str, str]] = {}
    for status, slug, title in [*_of_the_framework(), *_of(PlateauError)]:
        found.setdefault(status, {})[slug] = title
    return dict(sorted(found.items()))


def _of_the_framework() -> Iterator[tuple[int, str, str]]:
    for status, kind in [*_HTTP.items(), *WIRE.items(), (422, _PARAMETER), (500, _UNEXPECTED)]:
        yield status, *kind


def _of(error: type[PlateauError]) -> Iterator[tuple[int, str, str]]:
    """Of the classes below `error` that are raised themselves and end as an answer."""
    for each in error.__subclasses__():
        if each.status != PlateauError.status and "title" in vars(each):
            yield each.status, _slug(each), each.title
        yield from _of(each)


def _slug(error: type[PlateauError]) -> str:
    return re.sub(r"(?<=.)(?=[A-Z])", "-", error.__name__).lower()


def plateau_error(request: Request, error: Exception) -> JSONResponse:
    """The problem that a PlateauError is."""
    assert isinstance(error, PlateauError)
    problem = _problem(request, _slug(type(error)), error.title, error.status, str(error))
    if isinstance(error, SpecRefused):
        faults = (error, *error.more)
        problem.errors = [Fault(pointer=each.pointer, detail=each.detail) for each in faults]
    return problem.response(error.headers)


def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults, left_out = faults_in(error.errors(), _source(request, error.body))
    in_body = faults[0].pointer is not None
    slug, title = (_slug(SpecRefused), SpecRefused.title) if in_body else _PARAMETER
    where = faults[0].pointer if in_body else faults[0].parameter
    more = len(faults) - 1 + left_out
    detail = f"{where}: {faults[0].detail}" if where else faults[0].detail
    problem = _problem(
        request, slug, title, 422, detail + (f" ({more} more below)" if more else "")
    )
    problem.errors = faults
    problem.errors_left_out = left_out or None
    return problem.response()


def _source(request: Request, body: Any) -> Source:
    """`body` as what the route takes: a model, or what is posted in several forms and knows them.

    Where it takes no body, errors are of the query.
    """
    field = request.scope["route"].body_field
    kind = field and field.field_info.annotation
    source_of: Callable[[Any], Source] = getattr(kind, "source_of", partial(Source, kind))
    return source_of(body)


def _http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    slug, title = _HTTP.get(error.status_code, (phrase.lower().replace(" ", "-"), phrase))
    asked = f"{request.method} {request.scope['path']}"
    headers = dict(error.headers or {})
    detail = error.detail
    if error.status_code == 405:
        headers["Allow"] = _methods(request)
        detail = f"{asked} does not exist; this path has {headers['Allow']}"
    elif detail == phrase:
        detail = f"{asked} does not exist; {_meant(request) or '/docs lists the routes'}"
    return _problem(request, slug, title, error.status_code, detail).response(headers)


def _meant(request: Request) -> str:
    """For a path that is one but for slashes at its end."""
    path = request.scope["path"].rstrip("/")
    if path == request.scope["path"] or not _routes({**request.scope, "path": path}):
        return ""
    return f"without the slash at its end, {quote(path)} does"


def _methods(request: Request) -> str:
    """Those of all routes with this path; the framework names only one route's."""
    here = _routes(request.scope)
    methods = {method for route in here for method in route.methods or ()}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _routes(scope: Scope) -> list[APIRoute]:
    routes: list[APIRoute] = scope["app"].state.routes
    return [route for route in routes if route.matches(scope)[0] is not Match.NONE]


def unexpected(request: Request) -> JSONResponse:
    """The answer where an error was raised that nobody expected."""
    detail = "this is a fault of the service, not of the request; its log has the details"
    problem = _problem(request, *_UNEXPECTED, 500, detail)
    return problem.response({"Connection": "close"})
