"""Requests as the operator sees them: an id for each, a line in the log, a place in the metrics.

This stands around everything that can fail, so each error is answered and logged here once.
"""

import logging
import re
import time
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from api.auth.caller import known_caller
from api.http import problems
from api.http.request_metrics import RequestMetrics
from contract import ids

log = logging.getLogger("api.access")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,100}")
_NOT_MODIFIED = 304
# As nginx has it: the client hung up before there was an answer.
_HUNG_UP = 499


@dataclass
class _Request:
    scope: Scope
    id: bytes
    began: float
    status: int = 0
    streams: bool = False

    @property
    def route(self) -> str:
        """The template of the path: a path itself may say anything."""
        path = getattr(self.scope.get("route"), "path", "unknown")
        return f"{path}?wait" if b"wait=" in self.scope["query_string"] else path

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began


class Observed:
    """ASGI middleware. The request's id is in `request.state.request_id` too."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request = _Request(scope, request_id(scope["headers"]), time.perf_counter())
        scope.setdefault("state", {})["request_id"] = request.id.decode()
        clear_contextvars()  # a connection's earlier request may have left its own
        bind_contextvars(request_id=request.id.decode())

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(request, message)
            await send(message)

        failure: Exception | None = None
        try:
            await self.app(scope, receive, noting)
        except ClientDisconnect:
            pass
        except Exception as error:
            failure = error
            if not request.status:
                await problems.unexpected(Request(scope))(scope, receive, noting)
        finally:
            if request.streams:
                self._metrics.streams.dec()
            _tell(request, failure)
        return None

    def _note(self, request: _Request, message: Message) -> None:
        request.status = message["status"]
        headers = message["headers"] = list(message.get("headers", ()))
        if (b"content-type", b"text/event-stream; charset=utf-8") in headers:
            request.streams = True
            self._metrics.streams.inc()
        headers.append((b"x-request-id", request.id))
        self._metrics.answered(
            request.scope["method"], request.route, request.status, request.seconds
        )


def request_id(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The client's X-Request-ID if it can be logged as it is, else one of our own."""
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value
    return ids.REQUEST.new().encode()


def _tell(request: _Request, failure: Exception | None) -> None:
    level = _level(request, failure)
    if not log.isEnabledFor(level):
        return
    caller = known_caller(request.scope)
    bind_contextvars(
        method=request.scope["method"],
        route=request.route,
        status=request.status or _HUNG_UP,
        milliseconds=round(request.seconds * 1000, 1),
    )
    if caller is not None:
        bind_contextvars(owner=caller.owner, **({"key_id": caller.key_id} if caller.key_id else {}))
    if job_id := request.scope.get("path_params", {}).get("job_id"):
        bind_contextvars(job_id=str(job_id)[:40])
    log.log(level, "request", exc_info=failure)


def _level(request: _Request, failure: Exception | None) -> int:
    """Polls are most of the load, and nobody reads that they went well."""
    status = request.status
    if failure is not None or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return logging.ERROR
    went_well = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES or status == _NOT_MODIFIED
    polled = went_well and request.scope["method"] in ("GET", "HEAD")
    return logging.DEBUG if polled else logging.INFO
