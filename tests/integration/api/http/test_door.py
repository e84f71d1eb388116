"""Who is let in at all: by the name that is asked for, and by the page that asks."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.store.status import Status
from tests import jobs, keyring, services
from tests.integration.api.http.test_odd_requests import raw
from tests.integration.api.http.test_process import start, wait_until_it_answers
from tests.served import Api, problem, serving, settings_for
from tests.sse import connected

OURS = (
    "localhost", "localhost:8000", "LOCALHOST", "localhost.", "127.0.0.1", "127.0.0.1:1", "[::1]",
    "[::1]:8000", "192.168.1.5:8000", "[fd00::5]", "[fe80::1%25eth0]:8000",
)  # fmt: skip
OTHERS = (
    "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example",
    "evil-localhost", "api", "2130706433", "127.1",
)  # fmt: skip
NO_HOSTS = ("", "a b", "::1", "[::1", "[localhost]", "localhost:port", "http://localhost", "a,b")
PATHS = (
    "/", "/healthz", "/readyz", "/v1/jobs", "/docs", "/docs/swagger-ui.css", "/openapi.json",
    "/metrics", "/v1/nothing",
)  # fmt: skip
SUBMITTED = {
    "name": "mine",
    "dataset": {"name": "iris"},
    "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
    "training": {"optimizer": {"type": "SGD"}, "loss": "categorical_crossentropy", "epochs": 1},
}


def asked(api: Api, host: str, path: str = "/v1/jobs", **more: Any) -> httpx.Response:
    headers = {"Host": host, **more.pop("headers", {})}
    return api.client.request(more.pop("method", "GET"), path, headers=headers, **more)


@pytest.mark.parametrize("host", OURS)
def test_it_answers_to_its_names(api: Api, keyed: Api, host: str) -> None:
    assert asked(api, host).status_code == 200
    assert asked(api, host, method="POST", json=SUBMITTED).status_code == 202
    assert asked(keyed, host).status_code == 401
    known = keyring.bearer(keyring.make(keyed, "me"))
    assert asked(keyed, host, headers=known).status_code == 200


@pytest.mark.parametrize("host", OTHERS)
def test_it_does_not_answer_to_other_names(api: Api, keyed: Api, host: str) -> None:
    """A page there may have had its name made to point here (DNS rebinding)."""
    known = keyring.bearer(keyring.make(keyed, "me"))
    for told in (
        problem(asked(api, host), 421),
        problem(asked(api, host, method="POST", json=SUBMITTED), 421),
        problem(asked(keyed, host, headers=known), 421),
    ):
        assert told["type"] == "/problems/misdirected"
        assert f"PLATEAU_ALLOWED_HOSTS={host.partition(':')[0]} " in told["detail"]
    assert api.get("/v1/jobs")["data"] == []


@pytest.mark.parametrize("path", PATHS)
def test_no_path_answers_to_other_names(api: Api, path: str) -> None:
    problem(asked(api, "evil.example", path), 421)


def test_nor_do_event_streams_and_waits(api: Api) -> None:
    job_id = jobs.submit(api.database)
    for path in (f"/v1/jobs/{job_id}/events", f"/v1/jobs/{job_id}?wait=20"):
        with connected(api.client.base_url, path, Host="evil.example") as stream:
            stream.read_until(b"\r\n")  # a stream that is let in has no end
        assert stream.status == 421


@pytest.mark.parametrize("host", NO_HOSTS)
def test_what_is_no_host_is_told_so(api: Api, host: str) -> None:
    told = problem(raw(api, [b"GET /v1/jobs HTTP/1.1", b"Host: " + host.encode()]), 400)
    assert told["type"] == "/problems/malformed-request"
    assert "Host" in told["detail"]


@pytest.mark.parametrize("hosts", [[], [b"Host: localhost"] * 2], ids=["none", "two"])
def test_a_request_is_for_one_host(api: Api, hosts: list[bytes]) -> None:
    """RFC 9112, section 3.2."""
    told = problem(raw(api, [b"GET /v1/jobs HTTP/1.1", *hosts]), 400)
    assert told["type"] == "/problems/malformed-request"


def test_a_load_balancer_may_ask_in_http_1_0(api: Api) -> None:
    assert raw(api, [b"GET /healthz HTTP/1.0"]).status_code == 200


@pytest.fixture(scope="module")
def proxied(served: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API that a proxy stands before, which passes on what was asked for."""
    hosts = ("plateau.example.org", "*.lan")
    folder = tmp_path_factory.mktemp("proxied")
    with serving(settings_for(served.settings.database_url, folder, allowed_hosts=hosts)) as api:
        yield api


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("plateau.example.org", 200),
        ("Plateau.Example.Org:8443", 200),
        ("gpu.lan", 200),
        ("one.gpu.lan:80", 200),
        ("localhost", 200),
        ("127.0.0.1", 200),
        ("example.org", 421),
        ("lan", 421),
        ("evillan", 421),
        ("x.plateau.example.org", 421),
    ],
)
def test_behind_a_proxy_it_answers_to_the_names_that_are_set(
    proxied: Api, host: str, status: int
) -> None:
    passed_on = {"X-Forwarded-Host": "localhost", "X-Forwarded-For": "127.0.0.1"}
    assert asked(proxied, host, headers=passed_on).status_code == status
    forwarded = {"X-Forwarded-Host": host, "Forwarded": f"host={host}"}
    assert asked(proxied, "evil.example", headers=forwarded).status_code == 421


def test_any_name_may_be_allowed(served: Api, tmp_path: Path) -> None:
    url = served.settings.database_url
    with serving(settings_for(url, tmp_path, allowed_hosts="*")) as api:
        assert asked(api, "evil.example").status_code == 200


def test_it_answers_on_ipv6(tmp_path: Path) -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("needs IPv6 on loopback")
    port = services.free_port()
    with start(tmp_path, port, PLATEAU_HOST="::1") as process:
        try:
            wait_until_it_answers(process, port, "[::1]")
            told = httpx.get(f"http://[::1]:{port}/docs", headers={"Host": "evil.example"})
            assert told.status_code == 421
        finally:
            process.kill()


REFUSED = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Sec-Fetch-Site": "of its own"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost:8888"},
    {"Origin": "null"},
    {"Origin": ""},
)
TAKEN: tuple[dict[str, str], ...] = (
    {},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://plateau.example.org"},
    {"Origin": "http://localhost"},
    {"Origin": "https://localhost"},
)


@pytest.mark.parametrize("headers", REFUSED, ids=str)
def test_pages_of_other_origins_change_nothing(
    api: Api, keyed: Api, headers: dict[str, str]
) -> None:
    known = keyring.bearer(keyring.make(keyed, "local"))
    job_id = jobs.submit(api.database)
    ended = jobs.submit(api.database)
    jobs.cancel(api.database, ended)
    for served, more in ((api, {}), (keyed, known)):
        for method, path in (
            ("POST", f"/v1/jobs/{job_id}/cancel"),
            ("POST", f"/v1/jobs/{ended}/retry"),
            ("DELETE", "/v1/datasets/iris"),
            ("PUT", "/v1/jobs"),
            ("PATCH", "/v1/nothing"),
        ):
            told = asked(served, "localhost", path, method=method, headers={**headers, **more})
            assert problem(told, 403)["type"] == "/problems/cross-origin"
    assert api.get(f"/v1/jobs/{job_id}")["status"] == Status.QUEUED
    assert len(api.get("/v1/jobs")["data"]) == 2


@pytest.mark.parametrize("headers", TAKEN, ids=str)
def test_our_own_pages_and_other_clients_may(api: Api, headers: dict[str, str]) -> None:
    job_id = jobs.submit(api.database)
    path = f"/v1/jobs/{job_id}/cancel"
    assert asked(api, "localhost", path, method="POST", headers=headers).status_code == 200


@pytest.mark.parametrize("headers", REFUSED, ids=str)
def test_pages_of_other_origins_may_show_pictures(api: Api, headers: dict[str, str]) -> None:
    """A notebook on another port; that a page cannot read what it shows is its browser's care."""
    assert asked(api, "localhost", headers=headers).status_code == 200
