"""Whose a token is, and what it may cost us to find out.

A key that was found before has its own bucket, and is asked for again with each request, because it
may have been revoked. Any other token may be a stranger's, who can send as many as he likes: it
takes from the bucket of the address that it comes from, and one of few threads.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import sha256

from starlette.concurrency import run_in_threadpool

from api.auth import tokens
from api.auth.rate_limit import Rate
from contract.errors import Unauthorized
from contract.store.database import Database
from contract.store.tables import ApiKey

# Tokens that nobody knows, from one address, in the long run; twice as many at once.
STRANGERS_PER_SECOND = 50
_STRANGERS = (
    "an address may try {rate:g} keys a second that were not seen before, {burst:g} at once, and "
    "this one has tried them"
)
# Keys that are remembered: 2 MB at most.
_KEPT = 10_000
# All addresses of a network that belongs to one customer.
_IPV6_NETWORK = 64


# Calls in a thread for the one who is named: those who wait take turns.
Look = Callable[[str, Callable[[], ApiKey]], Awaitable[ApiKey]]


class Keyring:
    """The keys of a database, as one process of the API asks for them. For the event loop.

    `look` has the threads for tokens that were not seen before.
    """

    def __init__(self, database: Database, look: Look, per_second: float) -> None:
        self._database = database
        self._look = look
        self._rate = Rate(per_second)
        self._strangers = Rate(STRANGERS_PER_SECOND, limited=_STRANGERS)
        # The id of the key behind a token's hash; the one used last comes last.
        self._known: OrderedDict[bytes, str] = OrderedDict()

    async def key(self, token: str, address: str) -> ApiKey:
        """What `token`, sent from `address`, stands for. Raises Unauthorized, TooManyRequests."""
        tokens.check_form(token)
        digest = sha256(token.encode()).digest()
        find = partial(self._find, token)
        if (known := self._known.get(digest)) is None:
            network = _network(address)
            self._strangers.take(network)
            key = await self._look(network, find)
            self._rate.take(key.id)
        else:
            self._rate.take(known)
            try:
                key = await run_in_threadpool(find)
            except Unauthorized:
                self._known.pop(digest, None)
                raise
        self._remember(digest, key.id)
        return key

    def _find(self, token: str) -> ApiKey:
        with self._database.reading() as session:
            return tokens.find(session, token)

    def _remember(self, digest: bytes, key_id: str) -> None:
        self._known[digest] = key_id
        self._known.move_to_end(digest)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 4:
        return address
    return str(ipaddress.ip_network((ip, _IPV6_NETWORK), strict=False))
