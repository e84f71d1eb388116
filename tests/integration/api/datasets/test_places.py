"""Uploads under way: nobody holds all the places, neither by being slow nor by being many."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager, suppress

import httpx
import pytest
from fastapi import HTTPException

from api.auth.caller import ANYONE
from api.datasets import upload_places
from api.datasets.upload_places import UNDER_WAY, Place, Places
from contract.errors import Unavailable
from tests import keyring, processes
from tests.integration.api.datasets.test_datasets import leaving_nothing
from tests.served import Api, problem

HEAD = "POST /v1/datasets?name=slow&label=c HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n"
CSV = "a,b,c\n" + "1,2,x\n3,4,y\n" * 20


@contextmanager
def begun(api: Api, token: str = "") -> Iterator[socket.socket]:
    """A connection on which an upload was begun, and goes on by hand."""
    key = f"Authorization: Bearer {token}\r\n" if token else ""
    with socket.create_connection(("127.0.0.1", api.client.base_url.port or 0), 30) as connection:
        before = len(under_way(api))
        connection.sendall(f"{HEAD}Content-Type: text/csv\r\n{key}\r\na,b,c\n".encode())
        processes.wait_for("one more upload", lambda: len(under_way(api)) > before, 10)
        yield connection


def under_way(api: Api) -> set[Place]:
    found: set[Place] = api.app.state.intake._places._taken
    return found


def upload(api: Api, token: str = "") -> httpx.Response:
    key = keyring.bearer(token) if token else {}
    headers = {"Content-Type": "text/csv", **key}
    return api.client.post("/v1/datasets?name=quick&label=c", content=CSV, headers=headers)


def test_slow_uploads_shut_nobody_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_places, "_SECONDS", 0.3)
    with leaving_nothing(api), ExitStack() as stack:
        slow = [stack.enter_context(begun(api)) for _ in range(UNDER_WAY)]

        def trickling() -> bool:
            for connection in slow:
                with suppress(OSError):  # its place may be another's by now
                    connection.send(b"1" * 60)
            return upload(api).status_code == 201

        processes.wait_for("a place", trickling, 20)
        ended = [each for each in slow if not still_open(each)]
        assert ended
        told = ended[0].recv(65_536).partition(b"\r\n\r\n")
        assert told[0].startswith(b"HTTP/1.1 408 ")
        assert b"/problems/too-slow" in told[2]
        stack.close()
        processes.wait_for("all places to be free", lambda: not under_way(api))
        for dataset in api.get("/v1/datasets")["data"]:
            if dataset["kind"] == "upload":
                api.client.delete(f"/v1/datasets/{dataset['id']}")


def still_open(connection: socket.socket) -> bool:
    """Whether it has no answer yet."""
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    return False


def test_an_owner_leaves_places_to_others(keyed: Api) -> None:
    """Half of them at most, and half of the rest for the next, so that a fifth owner has one."""
    tokens = {name: keyring.make(keyed, name) for name in ("a", "b", "c", "d", "e")}
    with ExitStack() as stack:
        for name, wanted in zip("abcd", (8, 4, 2, 1), strict=True):
            for _ in range(wanted):
                stack.enter_context(begun(keyed, tokens[name]))
            told = problem(upload(keyed, tokens[name]), 429)
            assert told["type"] == "/problems/too-many-uploads"
        assert Counter(each.owner for each in under_way(keyed)) == {"a": 8, "b": 4, "c": 2, "d": 1}
        assert upload(keyed, tokens["e"]).status_code == 201
    processes.wait_for("all places to be free", lambda: not under_way(keyed))


def test_quick_uploads_keep_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_places, "_SECONDS", 0.2)
    asyncio.run(_slow_among_quick())


async def quick(end: asyncio.Event) -> AsyncIterator[bytes]:
    while not end.is_set():
        yield b"x" * 100_000
        await asyncio.sleep(0.005)


async def slow(end: asyncio.Event) -> AsyncIterator[bytes]:
    yield b"x"
    await end.wait()


async def take(all_: Places, body: AsyncIterator[bytes], name: str, ended: list[object]) -> None:
    with all_.one_more(ANYONE) as place:
        try:
            async with place.receiving(body) as pieces:
                async for _ in pieces:
                    pass
        except HTTPException as refusal:
            ended.append((name, refusal.status_code))


async def _slow_among_quick() -> None:
    """Each newcomer takes the place of a slow upload until there is none; the quick one stays."""
    all_, end, ended = Places(), asyncio.Event(), list[object]()
    async with asyncio.TaskGroup() as group:
        group.create_task(take(all_, quick(end), "quick", ended))
        for _ in range(UNDER_WAY - 1):
            group.create_task(take(all_, slow(end), "slow", ended))
        await asyncio.sleep(0)
        first = list(all_._taken)
        while sum(place.pace() < 64_000 for place in first) < UNDER_WAY - 1:
            await asyncio.sleep(0.01)
        for _ in range(UNDER_WAY - 1):
            group.create_task(take(all_, slow(end), "newcomer", ended))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable), all_.one_more(ANYONE):
            pass
        while len(ended) < UNDER_WAY - 1:
            await asyncio.sleep(0.01)
        assert set(ended) == {("slow", 408)}
        end.set()
