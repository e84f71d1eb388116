"""Who asks: the owner whose jobs and datasets a request may see, and what it may do with them.

A dependency of the routes, not a middleware that looks at paths: what path a request has is a
matter of opinion (CVE-2026-48710), what route serves it is not.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from api.auth.tokens import SCOPES, Scope
from contract.errors import Forbidden, Unauthorized
from contract.settings import Settings
from contract.store.tables import LOCAL

_READS = ("GET", "HEAD")
_CALLER = "plateau.caller"
_HOW = (
    "send Authorization: Bearer TOKEN; python -m api.keys create --owner NAME makes a key, and "
    "shows its token"
)


@dataclass(frozen=True)
class Caller:
    """`owner` binds every lookup and list; `key_id` is None while keys are off."""

    owner: str
    scopes: frozenset[Scope]
    key_id: str | None = None

    def check(self, scope: Scope) -> None:
        """Raises Forbidden where the key lacks `scope`."""
        if scope not in self.scopes:
            has = ", ".join(each for each in SCOPES if each in self.scopes) or "none"
            raise Forbidden(
                f"this needs a key with the scope {scope}; yours has {has}. "
                f"python -m api.keys create --owner {self.owner} --scopes {scope} makes one",
                scope,
            )


ANYONE = Caller(LOCAL, frozenset(SCOPES))


def on_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def keys_needed(settings: Settings) -> bool:
    """Where the settings leave it open, keys are off on loopback alone."""
    return settings.auth == "keys" or (settings.auth == "auto" and not on_loopback(settings.host))


class _Bearer(SecurityBase):
    """`identify` as a dependency, and what OpenAPI says of it."""

    def __init__(self) -> None:
        self.model = HTTPBearer(description="A key: `python -m api.keys create` makes one.")
        self.scheme_name = "key"

    async def __call__(self, request: Request) -> Caller:
        return await identify(request)


async def identify(request: Request) -> Caller:
    """Raises Unauthorized, Forbidden (to change things needs the scope submit), TooManyRequests.

    A request counts once, however often this is asked about it.
    """
    caller: Caller | None = request.scope.get(_CALLER)
    if caller is None:
        caller = request.scope[_CALLER] = await _identified(request)
    return caller


def known_caller(scope: Mapping[str, Any]) -> Caller | None:
    """Of a request's ASGI scope: None where `identify` was not asked, or refused."""
    caller: Caller | None = scope.get(_CALLER)
    return caller


# The dependency of every route but those of health.
authenticated = _Bearer()
AppCaller = Annotated[Caller, Depends(authenticated)]


async def admin(caller: AppCaller) -> None:
    """The dependency of routes that need the scope admin. Raises Forbidden."""
    caller.check("admin")


async def _identified(request: Request) -> Caller:
    state = request.app.state
    if not state.keys_needed:
        return ANYONE
    token = _token(request.headers.getlist("authorization"))
    key = await state.keyring.key(token, request.client.host if request.client else "")
    caller = Caller(key.owner, _implied(key.scopes), key.id)
    caller.check("read" if request.method in _READS else "submit")
    return caller


def _token(sent: Sequence[str]) -> str:
    """RFC 6750, section 2.1. Neither query nor form is looked at: addresses get into logs."""
    if not sent:
        raise Unauthorized(f"A key is needed: {_HOW}.")
    scheme, _, token = sent[0].partition(" ")
    if len(sent) > 1 or scheme.lower() != "bearer":
        raise Unauthorized(f"One bearer token was expected: {_HOW}.", "invalid_token")
    return token.strip()


def _implied(scopes: Iterable[str]) -> frozenset[Scope]:
    """The scopes, and those before them."""
    count = max((number for number, scope in enumerate(SCOPES, 1) if scope in scopes), default=0)
    return frozenset(SCOPES[:count])
