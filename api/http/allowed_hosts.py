"""What names the service answers to.

A page whose own name is made to point here (DNS rebinding) is, to its browser, of one origin with
the service: no other check stops it. It cannot choose what Host says, which is that name. An
address is none, so whoever sends one was not led here by a name.
"""

import ipaddress
import re
from collections.abc import Iterable

from starlette.types import Scope

from contract.errors import Misdirected
from contract.settings import Settings

# RFC 3986, section 3.2.2, without what no name in use has.
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+(?:%[\w.~-]+)?)\]|([A-Za-z0-9_.-]+))(?::\d*)?")


class Hosts:
    """Localhost, every address, what the service listens on, and PLATEAU_ALLOWED_HOSTS."""

    def __init__(self, settings: Settings) -> None:
        names = {"localhost", settings.host.lower(), *settings.allowed_hosts}
        self._any = "*" in names
        self._names = names
        self._suffixes = tuple(name[1:] for name in names if name.startswith("*."))

    def check(self, scope: Scope) -> None:
        """Raises Misdirected where Host names another."""
        name = host_of(scope["headers"])
        if name and not (self._any or self._known(name) or _is_address(name)):
            raise Misdirected(
                f"expected Host to be localhost or an address; received {name}. If this service "
                f"is called so, set PLATEAU_ALLOWED_HOSTS={name} where it runs"
            )

    def _known(self, name: str) -> bool:
        return name in self._names or name.endswith(self._suffixes)


def host_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The name or address that Host has, in lower case and without the port; "" without Host.

    Raises ValueError where there are several, or one that none can be (RFC 9112, section 3.2).
    """
    given = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if not given:
        return ""
    if len(given) > 1:
        raise ValueError(f"expected one Host; received {len(given)}")
    found = _HOST.fullmatch(given[0])
    if not found or (found[1] and not _is_address(found[1])):
        raise ValueError("expected Host: NAME or NAME:PORT, an IPv6 address in brackets")
    return found[1] or str(found[2]).lower().removesuffix(".")


def fault_in(headers: Iterable[tuple[bytes, bytes]], version: str) -> str:
    """Why a request of this version of HTTP is none, by its Host; "" where it may be one."""
    try:
        name = host_of(headers)
    except ValueError as error:
        return str(error)
    # Load balancers ask in HTTP/1.0 whether one lives; no browser does.
    return "" if name or version == "1.0" else "expected Host; received none"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
