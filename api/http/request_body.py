"""What may come in a request's body: JSON of bounded size, or an upload of a larger bound.

Errors are FastAPI's HTTPException: it lets those through, and any other raised while it reads the
body it answers with a bare 400. So JSON is read before FastAPI asks for it (`JSONRoute`).
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from api.auth.caller import identify
from api.http.json_reader import parse
from contract.settings import Settings

_BOUND = "plateau.body_bound"


@dataclass(frozen=True)
class Bound:
    """How many bytes a body may have, and the setting that says so."""

    bytes: int
    setting: str

    def too_large(self, received: str) -> HTTPException:
        """The error (413) for a body of `received`, in words."""
        return HTTPException(
            413, f"expected at most {self.bytes:,} bytes ({self.setting}); received {received}"
        )


def allow_upload(request: Request) -> None:
    """Let this request's body be as large as an upload, for the route that serves it."""
    settings: Settings = request.app.state.settings
    request.scope[_BOUND] = Bound(settings.max_upload_bytes, "PLATEAU_MAX_UPLOAD_BYTES")


class BodyLimit:
    """ASGI middleware that reads no more than `max_bytes` of a body, declared or streamed.

    A route may have another bound, which it sets before it reads: see `allow_upload`.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        declared = Headers(scope=scope).get("content-length", "")
        total = 0
        scope[_BOUND] = Bound(self.max_bytes, "PLATEAU_MAX_BODY_BYTES")

        async def limited() -> Message:
            nonlocal total
            bound: Bound = scope[_BOUND]
            if declared.isdecimal() and int(declared) > bound.bytes:
                raise bound.too_large(f"{int(declared):,}")
            message = await receive()
            total += len(message.get("body", b""))
            if total > bound.bytes:
                raise bound.too_large(f"{total:,} and more")
            return message

        return await self.app(scope, limited, send)


class JSONRoute(APIRoute):
    """A route whose body, if it takes one, is JSON; one that takes none refuses it.

    `free_values` is how many items its body may have besides those of an experiment.
    """

    free_values = 0

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        if self.methods == {"GET"}:
            return handler

        async def checked(request: Request) -> Response:
            await identify(request)  # of a stranger's body nothing is read
            if self.body_field is None:
                _check_empty(await request.body())
                return await handler(request)
            taken = _JSONRequest(request, self.free_values)
            await taken.read()
            return await handler(taken)

        return checked


class _JSONRequest(Request):
    def __init__(self, request: Request, free_values: int) -> None:
        super().__init__(request.scope, request.receive)
        self._free_values = free_values
        self._document: Any = None

    async def read(self) -> None:
        """Before FastAPI asks for it: whatever breaks then, it calls the client's fault (400)."""
        body = await self.body()
        _check_media_type(self.headers.get("content-type", ""), body)
        if body:
            _check_members(body, self.app.state.settings, self._free_values)
            self._document = parse(body)

    @override
    async def json(self) -> Any:
        return self._document


def _check_empty(body: bytes) -> None:
    """Where nothing is taken, a wish in the body must not be passed over."""
    if body.strip() not in (b"", b"{}"):
        raise HTTPException(
            400, f"expected no body, or {{}}: nothing is taken here; received {len(body):,} bytes"
        )


def _check_media_type(given: str, body: bytes) -> None:
    """A form's media type may be sent across origins unasked, so a web page could submit jobs."""
    media_type = given.partition(";")[0].strip().lower()
    if body and media_type != "application/json":
        raise HTTPException(
            415,
            f"expected Content-Type: application/json; received {media_type or 'none'} "
            "(with curl: --json @file, or -H 'Content-Type: application/json' --data @file)",
        )


def _check_members(body: bytes, settings: Settings, free_values: int) -> None:
    """A body is checked on the event loop: 40,000 members take up to 0.2 s of it, right or wrong.

    An experiment within the budget has at most some 30 members a layer, Keras' own JSON of a large
    model some 40.
    """
    limit = 1000 + 40 * settings.max_layers + free_values
    members = body.count(b",") + 1
    if members > limit:
        raise HTTPException(
            413, f"expected at most {limit:,} members and items in all; received about {members:,}"
        )
