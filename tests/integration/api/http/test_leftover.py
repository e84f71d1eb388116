"""What is refused before its body was read is still answered, whatever client sent it."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.http.wire import leftover
from tests import clients, jobs, keyring, processes
from tests.served import Api, serving, settings_for

JSON = {"Content-Type": "application/json"}
CSV = {"Content-Type": "text/csv"}
TEXT = {"Content-Type": "text/plain"}
CLIENTS = (
    clients.by_curl,
    clients.by_curl_upload,
    clients.by_curl_http2,
    clients.by_urllib,
    clients.by_requests,
    clients.by_httpx,
    clients.by_node,
    clients.by_java,
)
UPLOADS = "/v1/datasets?name=big&label=y"
LIMIT = 60_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("leftover")


@pytest.fixture(scope="module")
def open_api(folder: Path) -> Iterator[Api]:
    settings = settings_for(f"sqlite:///{folder / 'open.db'}", folder, max_upload_bytes=LIMIT)
    with serving(settings) as api:
        yield api


@pytest.fixture(scope="module")
def closed_api(folder: Path) -> Iterator[Api]:
    """One that wants keys, with each of which one may ask once."""
    url = f"sqlite:///{folder / 'closed.db'}"
    with serving(settings_for(url, folder, auth="keys", requests_per_second=0.001)) as api:
        yield api


@pytest.fixture(scope="module", params=[1_500_000, 5_000_000, 50_000_000])
def body(request: pytest.FixtureRequest, folder: Path) -> Path:
    return filled(folder, request.param)


def filled(folder: Path, size: int) -> Path:
    file = folder / f"{size}"
    file.write_bytes(b"x" * size)
    return file


def url(api: Api, path: str) -> str:
    return str(api.client.base_url.join(path))


@pytest.mark.parametrize("post", CLIENTS)
def test_every_client_sees_the_status(
    open_api: Api, closed_api: Api, body: Path, post: clients.Post
) -> None:
    if post is clients.by_java and body.name != "5000000":
        pytest.skip("takes two seconds to start")
    assert post(url(closed_api, "/v1/jobs"), body, JSON) == 401
    assert post(url(closed_api, UPLOADS), body, CSV) == 401
    assert post(url(open_api, "/v1/jobs"), body, JSON) == 413
    assert post(url(open_api, UPLOADS), body, TEXT) == 415


@pytest.mark.parametrize("post", [clients.by_urllib, clients.by_requests, clients.by_curl])
@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/jobs", {**JSON, "Origin": "https://evil.example"}, 403),
        ("/v1/jobs", {**JSON, "Host": "evil.example"}, 421),
        ("/v1/jobs", {**JSON, "Host": "evil..example:x"}, 400),
        ("/v1/jobs", {**JSON, "X-Long": "x" * 40_000}, 431),
        ("/v1/nothing", JSON, 404),
        ("/v1/recipes", JSON, 405),
        ("/v1/sweeps", JSON, 413),
        ("/v1/datasets", CSV, 422),
        ("/v1/datasets?name=big&test_fraction=2", CSV, 422),
        ("/v1/jobs/x/cancel", JSON, 413),
    ],
)
def test_whatever_the_reason(
    open_api: Api, folder: Path, post: clients.Post, path: str, headers: dict[str, str], status: int
) -> None:
    assert post(url(open_api, path), filled(folder, 5_000_000), headers) == status


def test_an_upload_over_the_limit(open_api: Api, folder: Path) -> None:
    large = filled(folder, LIMIT + 1_000_000)
    for post in (clients.by_urllib, clients.by_curl, clients.by_curl_upload):
        assert post(url(open_api, UPLOADS), large, CSV) == 413


def test_a_request_too_many(closed_api: Api, folder: Path) -> None:
    jobs.clear(closed_api.database)
    known = keyring.bearer(keyring.make(closed_api, "me"))
    large = filled(folder, 5_000_000)
    assert closed_api.client.get("/v1/jobs", headers=known).status_code == 200
    for path, headers in (("/v1/jobs", JSON), (UPLOADS, CSV)):
        assert clients.by_urllib(url(closed_api, path), large, {**headers, **known}) == 429


def test_no_room_for_one_more_upload(
    open_api: Api, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.datasets.upload_places.UNDER_WAY", 0)
    assert clients.by_urllib(url(open_api, UPLOADS), filled(folder, 5_000_000), CSV) == 503


def test_a_database_that_is_away(folder: Path) -> None:
    settings = settings_for(f"sqlite:///{folder / 'none.db'}", folder, auth="keys")
    token = f"plateau_{'0' * 26}_{'x' * 43}"
    with serving(settings, migrated=False) as api:
        headers = {**JSON, **keyring.bearer(token)}
        large = filled(folder, 5_000_000)
        assert clients.by_urllib(url(api, "/v1/jobs"), large, headers) == 503


def head(length: int) -> bytes:
    return (
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
        b"Content-Length: %d\r\n\r\n" % (UPLOADS.encode(), length)
    )


def answered(api: Api) -> socket.socket:
    """A connection that has its answer, of which the server knows that more is to come."""
    connection = socket.create_connection(("127.0.0.1", api.client.base_url.port or 0), 30)
    connection.sendall(head(10**12))
    told = b""
    while b"}" not in told:
        told += connection.recv(65_536)
    assert b"connection: close" in told
    return connection


def sent_until_it_closes(connection: socket.socket) -> int:
    count = 0
    try:
        while True:
            count += connection.send(b"x" * 65_536)
    except OSError:
        return count


def test_it_is_read_to_a_bound(open_api: Api) -> None:
    with answered(open_api) as connection:
        sent = sent_until_it_closes(connection)
    # The kernels of both sides hold some more.
    assert 2 * LIMIT <= sent < 2 * LIMIT + 20_000_000


def test_it_is_not_waited_for(open_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftover, "_SILENT_SECONDS", 0.1)
    with answered(open_api) as connection:
        assert connection.recv(1) == b""


def test_nor_for_long(open_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftover, "_SECONDS", 0.5)
    began = time.monotonic()
    with answered(open_api) as connection:
        try:
            while connection.send(b"x"):
                time.sleep(0.01)  # a client that goes on, slowly
        except OSError:
            assert time.monotonic() - began > 0.4


def test_nor_from_too_many_at_once(open_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftover, "_AT_ONCE", 1)
    with answered(open_api) as first:
        processes.wait_for("the first", lambda: leftover.Leftover.now == 1)
        with answered(open_api) as second:
            assert second.recv(1) == b""
        assert sent_until_it_closes(first) >= 2 * LIMIT
    assert leftover.Leftover.now == 0


def test_what_came_whole_keeps_its_connection(open_api: Api) -> None:
    told = open_api.client.post("/v1/jobs", content=b"x" * 1000, headers=TEXT)
    assert told.status_code == 415
    assert "connection" not in told.headers
