"""HEAD wherever GET is (RFC 9110, section 9.3.2): the same status and headers, and no body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """ASGI middleware that lets the routes see GET; uvicorn, which sees HEAD, sends no body.

    A stream is over with its first block.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return await self.app(scope, receive, send)
        over = False

        async def without_body(message: Message) -> None:
            nonlocal over
            if message["type"] != "http.response.body":
                await send(message)
            elif not over:
                over = True
                await send({"type": "http.response.body"})

        async def hung_up() -> Message:
            return {"type": "http.disconnect"} if over else await receive()

        return await self.app({**scope, "method": "GET"}, hung_up, without_body)
