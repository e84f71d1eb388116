"""Which pages may have their browser change something here: our own alone.

As Go's net/http.CrossOriginProtection: browsers tell of the page by Sec-Fetch-Site, where the
address is https or this machine's, and by Origin; other clients send neither.
"""

from starlette.datastructures import Headers
from starlette.types import Scope

from contract.errors import CrossOrigin

_SAFE = ("GET", "HEAD", "OPTIONS")
_OURS = ("same-origin", "none")  # none: the person asked, not a page


def check(scope: Scope) -> None:
    """Raises CrossOrigin. A page on another port of this host is another's."""
    if scope["method"] in _SAFE:
        return
    headers = Headers(scope=scope)
    if sites := headers.getlist("sec-fetch-site"):
        if any(site not in _OURS for site in sites):
            raise _refusal("Sec-Fetch-Site", sites)
        return
    ours = [f"{scheme}://{headers.get('host')}" for scheme in ("http", "https")]
    origins = headers.getlist("origin")
    if any(origin not in ours for origin in origins):
        raise _refusal("Origin", origins)


def _refusal(header: str, received: list[str]) -> CrossOrigin:
    return CrossOrigin(
        f"what changes something is taken from this service's own pages, and from what is no "
        f"browser; received {header}: {', '.join(received)}"
    )
