"""HEAD wherever GET is (RFC 9110, section 9.3.2): the same status and headers, and no body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """ASGI middleware that lets the routes see GET. uvicorn, which sees HEAD, sends no body.

    An answer is over with the first block of its body: a stream would go on for long.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") != "HEAD":
            return await self.app(scope, receive, send)
        seen: Scope = {**scope, "method": "GET"}
        over = False

        async def without_body(message: Message) -> None:
            nonlocal over
            if message["type"] == "http.response.start":
                scope.update({**seen, "method": "HEAD"})  # the route, for what logs and counts
                await send(message)
            elif not over:
                over = True
                await send({"type": "http.response.body"})

        return await self.app(seen, receive, without_body)
