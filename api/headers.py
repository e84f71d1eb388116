"""Headers that every answer has: what browsers may do with it, and that nobody stores it."""

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

RawHeaders = Iterable[tuple[bytes, bytes]]

_UNLESS_SET = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    # Not same-origin: a notebook on another port of this host may show a curve's picture.
    (b"cross-origin-resource-policy", b"same-site"),
)
# What has an ETag may be kept for asking again with it.
_CACHE_CONTROL = ((b"cache-control", b"no-store"), (b"cache-control", b"private, no-cache"))


class SecurityHeaders:
    """ASGI middleware that adds them where the route has not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def completing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = completed(message.get("headers", ()))
            await send(message)

        return await self.app(scope, receive, completing)


def completed(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """`headers`, whose names are lower case as in ASGI, and those that are missing."""
    headers = list(headers)
    names = {name for name, _ in headers}
    headers += [header for header in _UNLESS_SET if header[0] not in names]
    if b"cache-control" not in names:
        headers.append(_CACHE_CONTROL[b"etag" in names])
    return headers
