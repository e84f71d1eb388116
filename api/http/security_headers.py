"""Headers that every answer has: what browsers may do with it, and that nobody stores it."""

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

RawHeaders = Iterable[tuple[bytes, bytes]]

_UNLESS_SET = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    # Not same-origin: a notebook on another port of this host may show a curve's picture.
    (b"cross-origin-resource-policy", b"same-site"),
)
_POLICY = b"default-src 'none'; frame-ancestors 'none'"
# SVG has its styles within, and browsers add their own to the page that they show a picture on.
_PICTURES = b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
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
    given = dict(headers)
    headers += [header for header in _UNLESS_SET if header[0] not in given]
    if b"content-security-policy" not in given:
        picture = given.get(b"content-type", b"").startswith(b"image/")
        headers.append((b"content-security-policy", _PICTURES if picture else _POLICY))
    if b"cache-control" not in given:
        headers.append(_CACHE_CONTROL[b"etag" in given])
    return headers
