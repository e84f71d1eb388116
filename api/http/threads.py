"""Threads for what a request must wait for, by what it costs: the event loop itself never waits.

Short reads have AnyIO's own threads, as all plain functions that FastAPI calls. What waits for a
lock, and what keeps a core busy, has others: so neither holds up a poll. A handler says which:

    @router.post("/{job_id}/cancel")
    @in_threads("writing")
    def cancel_job(...): ...

Within each kind, owners take turns: who asks for a hundred pictures waits for most of them, and
nobody else does.
"""

from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial, wraps
from typing import Literal, ParamSpec, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth.caller import known_caller
from contract.errors import Unavailable
from contract.store import deadline
from contract.store.database import BUSY_SECONDS
from contract.store.tables import LOCAL

P = ParamSpec("P")
T = TypeVar("T")

# writing: waits for other writers. working: keeps a core busy for a while, such as to read 10,000
# epochs: one at a time, because two would only take the interpreter from each other and from the
# event loop. planning: both, one after the other. drawing: matplotlib draws one picture at a time.
# lookup: whose a key is that nobody knows.
Kind = Literal["writing", "working", "planning", "drawing", "lookup"]
_AT_ONCE: dict[Kind, int] = {"writing": 8, "working": 1, "planning": 2, "drawing": 1, "lookup": 2}
# All of these together, and what asks the database besides, have connections enough
# (`contract.store.database`).
_READS_AT_ONCE = 16
# Of one owner and kind; beyond that even the last would not be answered in time. Writes are short.
_WAITING: dict[Kind, int] = {
    "writing": 1_000, "working": 100, "planning": 100, "drawing": 100, "lookup": 100,
}  # fmt: skip


class Turns:
    """Places for `at_once` calls. Those who wait are let in by turns, one of each owner."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._free = at_once
        self._waiting = waiting
        self._limiter = CapacityLimiter(at_once)
        self._lines: OrderedDict[str, deque[anyio.Event]] = OrderedDict()

    async def run(self, owner: str, call: Callable[[], T]) -> T:
        """`call` in a thread. Raises Unavailable where its turn does not come in time."""
        async with self._place(owner):
            return await to_thread.run_sync(call, limiter=self._limiter)

    @asynccontextmanager
    async def _place(self, owner: str) -> AsyncIterator[None]:
        if self._free:
            self._free -= 1
        else:
            await self._wait(owner)
        try:
            yield
        finally:
            self._hand_on()

    async def _wait(self, owner: str) -> None:
        line = self._lines.setdefault(owner, deque())
        if len(line) >= self._waiting:
            raise _busy()
        turn = anyio.Event()
        line.append(turn)
        try:
            with anyio.fail_after(deadline.left(BUSY_SECONDS)):
                await turn.wait()
        except BaseException as error:
            if turn.is_set():  # it came at the very moment
                self._hand_on()
            else:
                self._leave(owner, turn)
            if isinstance(error, TimeoutError):
                raise _busy() from None
            raise

    def _leave(self, owner: str, turn: anyio.Event) -> None:
        line = self._lines[owner]
        line.remove(turn)
        if not line:
            del self._lines[owner]

    def _hand_on(self) -> None:
        """To the first of the owner whose turn it is, who is the last one then."""
        if not self._lines:
            self._free += 1
            return
        owner, line = self._lines.popitem(last=False)
        line.popleft().set()
        if line:
            self._lines[owner] = line


class Threads:
    """Those of an app. Belongs to the event loop."""

    def __init__(self) -> None:
        to_thread.current_default_thread_limiter().total_tokens = _READS_AT_ONCE
        self._turns = {kind: Turns(at_once, _WAITING[kind]) for kind, at_once in _AT_ONCE.items()}

    async def run(self, kind: Kind, owner: str, call: Callable[[], T]) -> T:
        """`call` in a thread of `kind`. Raises Unavailable where its turn does not come in time."""
        return await self._turns[kind].run(owner, call)


_request: ContextVar[tuple[Threads, Scope]] = ContextVar("request")


class InTime:
    """ASGI middleware that gives each request its deadline, and its handlers the app's threads."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            state = scope["app"].state
            deadline.begin(state.settings.request_seconds)
            _request.set((state.threads, scope))
        await self.app(scope, receive, send)


async def run_in(kind: Kind, call: Callable[[], T]) -> T:
    """`call` in a thread of `kind`, for the request that is being answered."""
    threads, scope = _request.get()
    caller = known_caller(scope)
    return await threads.run(kind, caller.owner if caller else LOCAL, call)


def in_threads(kind: Kind) -> Callable[[Callable[P, T]], Callable[P, Awaitable[T]]]:
    """Let a handler, a plain function, run in a thread of `kind`."""

    def decorate(handler: Callable[P, T]) -> Callable[P, Awaitable[T]]:
        @wraps(handler)
        async def handle(*args: P.args, **kwargs: P.kwargs) -> T:
            return await run_in(kind, partial(handler, *args, **kwargs))

        return handle

    return decorate


def _busy() -> Unavailable:
    return Unavailable("more of this is asked for than can be done at once: ask again", 5)
