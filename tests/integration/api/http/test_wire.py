"""Connections as few are used: never read from, asked for another protocol, flooded."""

import errno
import json
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from api.http.wire import outgoing
from tests import clients, jobs, keyring, processes, services
from tests.integration.api.http.test_process import start, wait_until_it_answers
from tests.integration.api.jobs.test_events import given_back_and_claimed
from tests.served import Api
from tests.sse import connected

BUNDLE = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
CURL = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
)
JAVA = (
    b"Connection: Upgrade, HTTP2-Settings\r\nHost: localhost\r\n"
    b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\n"
    b"User-Agent: Java-http-client/17.0.15\r\n"
)
SPEC = (
    b'{"name": "mine", "dataset": {"name": "iris"}, "model": {"layers": [{"type": "Dense", '
    b'"units": 3, "activation": "softmax"}]}, "training": {"optimizer": {"type": "SGD"}, '
    b'"loss": "categorical_crossentropy", "epochs": 1}}'
)
JSON = b"Content-Type: application/json\r\n"


def dialled(api: Api, *, buffer: int | None = None) -> socket.socket:
    connection = socket.socket()
    if buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", api.client.base_url.port or 0))
    return connection


def posted(upgrade: bytes, *, chunked: bool = False) -> bytes:
    host = b"" if b"Host:" in upgrade else b"Host: localhost\r\n"
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(SPEC)
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(SPEC), SPEC) if chunked else SPEC
    return b"POST /v1/jobs HTTP/1.1\r\n%s%s%s%s\r\n\r\n%s" % (host, upgrade, JSON, length, body)


def statuses(connection: socket.socket) -> list[int]:
    """Of all answers until the server closes."""
    with connection.makefile("rb") as file:
        told = file.read()
    return [int(part[:3]) for part in told.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("upgrade", [CURL, JAVA], ids=["curl", "java"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("step", [1, 100, 10_000])
def test_an_upgrade_that_is_not_spoken_is_ignored(
    api: Api, upgrade: bytes, chunked: bool, step: int
) -> None:
    """However the bytes arrive, twice on one connection, and with a request after them."""
    sent = posted(upgrade, chunked=chunked) * 2 + LAST
    with dialled(api) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start_ in range(0, len(sent), step):
            connection.sendall(sent[start_ : start_ + step])
        assert statuses(connection) == [202, 202, 200]
    assert [job["name"] for job in api.get("/v1/jobs")["data"]] == ["mine", "mine"]


@pytest.mark.parametrize("protocol", ["websocket", "h2c, websocket", "TLS/1.2", "of-its-own"])
@pytest.mark.parametrize("options", ["Upgrade", "keep-alive, upgrade", "Upgrade, HTTP2-Settings"])
def test_whatever_protocol_is_asked_for(api: Api, protocol: str, options: str) -> None:
    headers = {"Connection": options, "Upgrade": protocol}
    for _ in range(2):
        told = api.client.post("/v1/jobs", json=json.loads(SPEC), headers=headers)
        assert told.status_code == 202


def test_what_asks_to_close_as_well_is_closed(api: Api) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n"
    head %= b"Connection: upgrade, close\r\nUpgrade: h2c"
    with dialled(api) as connection:
        connection.sendall(head)
        assert statuses(connection) == [200]


def test_a_head_that_asks_for_an_upgrade_is_bounded_as_well(api: Api) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n%sX: %s\r\n\r\n" % (CURL, b"x" * 40_000)
    with dialled(api) as connection:
        connection.sendall(head)
        assert statuses(connection) == [431]


def test_it_is_no_proxy(api: Api) -> None:
    with dialled(api) as connection:
        connection.sendall(b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n" + HEALTH)
        assert statuses(connection) == [400]


@pytest.mark.parametrize("post", [clients.by_curl_http2, clients.by_java])
def test_clients_that_ask_for_an_upgrade(api: Api, tmp_path: Path, post: clients.Post) -> None:
    body = tmp_path / "spec.json"
    body.write_bytes(SPEC)
    url = str(api.client.base_url.join("/v1/jobs"))
    assert post(url, body, {"Content-Type": "application/json"}) == 202


def is_reset(connection: socket.socket) -> bool:
    """Whether the server has ended the connection; nothing is read."""
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET


def ends_whole(connection: socket.socket) -> bool:
    """Whether what is left ends with what LAST is answered with."""
    last = b""
    while part := connection.recv(1 << 20):
        last = (last + part)[-100:]
    return last.endswith(b'{"status":"ok"}')


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "STALLED_SECONDS", 1.0)


@pytest.mark.parametrize("last", [b"", LAST], ids=["kept", "closed"])
@pytest.mark.usefixtures("impatient")
def test_who_does_not_read_is_cut_off(api: Api, last: bytes) -> None:
    """Also where all that is left is in the buffer of a connection that is to be closed."""
    with dialled(api, buffer=4096) as connection:
        connection.sendall(BUNDLE * 10 + last)
        processes.wait_for("the end of the connection", lambda: is_reset(connection), 10)


@pytest.mark.usefixtures("impatient")
def test_what_the_kernel_still_has_is_given_up_as_well() -> None:
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        pytest.skip("needs Linux")
    with (
        outgoing.give_up_stalled(socket.create_server(("127.0.0.1", 0))) as listener,
        socket.socket() as client,
    ):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        with server:
            server.setblocking(False)
            with suppress(BlockingIOError):
                while server.send(b"x" * 65_536):
                    pass

            def given_up() -> bool:
                error = server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                return error == errno.ETIMEDOUT

            processes.wait_for("the kernel to give up", given_up, 10)


@pytest.mark.usefixtures("impatient")
def test_who_reads_slowly_is_not(api: Api) -> None:
    with dialled(api, buffer=4096) as connection:
        connection.sendall(BUNDLE * 2 + LAST)
        began = time.monotonic()
        while time.monotonic() - began < 4:
            assert connection.recv(8192)
            time.sleep(0.1)
        assert ends_whole(connection)


@pytest.mark.usefixtures("impatient")
def test_an_event_stream_that_is_not_read_gives_up_its_place(keyed: Api) -> None:
    token = f"Bearer {keyring.make(keyed, 'me')}"
    held = jobs.claim(keyed.database, jobs.submit(keyed.database, owner="me"))
    assert held is not None
    path, url = f"/v1/jobs/{held.job_id}/events", keyed.client.base_url
    streams = keyed.app.state.streams
    with connected(url, path, buffer=4096, Authorization=token) as stream:
        stream.read_until(b"id: 2\n\n")
        assert len(streams.places) == 1
        for _ in range(20):
            held = given_back_and_claimed(keyed, held, "x" * 400_000)
        processes.wait_for("its end", lambda: is_reset(stream.socket), 15)
        processes.wait_for("its place", lambda: not streams.places, 5)


def test_what_waits_for_all_is_bounded(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has waited longest goes first."""
    monkeypatch.setattr(outgoing, "MOST_BYTES", 500_000)
    with ExitStack() as stack:
        connections = [stack.enter_context(dialled(api, buffer=4096)) for _ in range(20)]
        for connection in connections:
            connection.sendall(BUNDLE * 10)
        left = set(connections)

        def few() -> bool:
            left.difference_update([each for each in left if is_reset(each)])
            return len(left) < 8

        processes.wait_for("enough of them", few, 10)
        with dialled(api) as reader:
            reader.sendall(BUNDLE * 10 + LAST)
            assert ends_whole(reader)
        few()
        assert left


def test_requests_that_wait_are_bounded(api: Api) -> None:
    """A client that asks 5,000 times before the first answer gets some, and asks the rest again."""
    job_id = jobs.submit(api.database)
    first = f"GET /v1/jobs/{job_id}?wait=1 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with dialled(api) as connection:
        connection.sendall(first + HEALTH * 5_000)
        assert statuses(connection) == [200] * 17


@pytest.mark.parametrize("asked", [BUNDLE * 10, HEALTH * 7_000], ids=["large", "many"])
def test_two_hundred_that_do_not_read(tmp_path: Path, asked: bytes) -> None:
    port = services.free_port()
    with start(tmp_path, port) as process, ExitStack() as stack:
        try:
            wait_until_it_answers(process, port)
            before = processes.resident_megabytes(process.pid)
            for _ in range(200):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                connection.setblocking(False)
                with suppress(BlockingIOError):
                    connection.send(asked)
            for _ in range(20):
                assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=30).is_success
            after = processes.resident_megabytes(process.pid)
        finally:
            process.kill()
    assert after - before < 100
