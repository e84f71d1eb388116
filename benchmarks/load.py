"""Clients that keep a server busy: what they were answered, and how fast.

They run in a process of its own, each with one connection that it keeps, and each sends its next
request when the last was answered. Of HTTP they know what the servers under test speak: answers
with a Content-Length. So a request costs them some 30 us, and it is the server that is measured.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import quantiles

import uvloop

CLIENTS = 8


@dataclass(frozen=True)
class Load:
    """Answers a second, and the time to one, in ms."""

    per_second: float
    p50: float
    p99: float


def get(path: str, *headers: str) -> bytes:
    return _head("GET", path, *headers)


def post(path: str, body: bytes) -> bytes:
    length = f"Content-Length: {len(body)}"
    return _head("POST", path, "Content-Type: application/json", length) + body


def _head(method: str, path: str, *headers: str) -> bytes:
    lines = (f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", "")
    return "\r\n".join(lines).encode()


def measured(
    ports: Sequence[int],
    requests: Sequence[bytes],
    seconds: float,
    status: int,
    clients: int = CLIENTS,
) -> Load:
    """What `clients`, spread over `ports`, get by sending `requests` in turn for that long.

    Raises RuntimeError at the first answer that has another status.
    """
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measured, (ports, requests, seconds, status, clients))


def _measured(
    ports: Sequence[int], requests: Sequence[bytes], seconds: float, status: int, clients: int
) -> Load:
    return uvloop.run(_run(ports, requests, seconds, status, clients))


async def _run(
    ports: Sequence[int], requests: Sequence[bytes], seconds: float, status: int, clients: int
) -> Load:
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    connected = []
    for number in range(clients):
        client = _Client(requests, number, began + seconds, status)
        port = ports[number % len(ports)]
        await loop.create_connection(partial(_as_it_is, client), "127.0.0.1", port)
        connected.append(client)
    taken = [each for client in connected for each in await client.done]
    if len(taken) < 2:
        raise RuntimeError(f"expected answers within {seconds:g} s, received {len(taken)}")
    cuts = quantiles(taken, n=100)
    spent = time.perf_counter() - began
    return Load(len(taken) / spent, cuts[49] * 1000, cuts[98] * 1000)


def _as_it_is(client: asyncio.Protocol) -> asyncio.Protocol:
    return client


class _Client(asyncio.Protocol):
    """One connection. `done` is what each answer took, in seconds."""

    def __init__(self, requests: Sequence[bytes], first: int, until: float, status: int) -> None:
        self.done: asyncio.Future[list[float]] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._next = first
        self._until = until
        self._status = b"HTTP/1.1 %d " % status
        self._taken: list[float] = []
        self._received = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._requests[self._next % len(self._requests)])
        self._next += 1

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not _whole(self._received):
            return None
        now = time.perf_counter()
        if not self._received.startswith(self._status):
            return self._fail(f"expected {self._status!r}, received {self._received[:600]!r}")
        self._taken.append(now - self._sent)
        self._received = b""
        if now < self._until:
            return self._send()
        self._transport.close()
        self.done.set_result(self._taken)
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._fail(f"the server closed the connection ({exc})")

    def _fail(self, why: str) -> None:
        self._transport.close()
        if not self.done.done():
            self.done.set_exception(RuntimeError(why))


def _whole(answer: bytes) -> bool:
    """Whether all of an answer has come; one without a Content-Length (304) has no body."""
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    named = answer.lower().find(b"content-length:", 0, head)
    length = int(answer[named + 15 : answer.index(b"\r\n", named)]) if named >= 0 else 0
    return len(answer) >= head + 4 + length
