"""Who is let in at all, whatever the route and whether or not keys are on."""

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http import cross_origin, problems
from api.http.allowed_hosts import Hosts
from contract.errors import PlateauError
from contract.settings import Settings


class Door:
    """ASGI middleware that refuses what is for another host, or from another's page."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._hosts = Hosts(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self._hosts.check(scope)
                cross_origin.check(scope)
            except PlateauError as error:
                refusal = problems.plateau_error(Request(scope), error)
                return await refusal(scope, receive, send)
        await self.app(scope, receive, send)
        return None
