"""What operators see and set: headers, ids, figures, and bounds on what a client may send."""

import json
import re
import socket
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.http.wire.protocol import BoundedProtocol
from tests import jobs, keyring, processes
from tests.integration.api.jobs.test_jobs import add_worker
from tests.served import Api, problem
from tests.sites import site_on
from tests.sse import connected

HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-site",
}


def figures(api: Api) -> dict[tuple[str, ...], float]:
    """Each sample of /metrics by its name and its labels' values."""
    answer = api.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def sent(api: Api, content: bytes) -> bytes:
    """All that comes back for bytes that no client library would send."""
    with socket.create_connection(("127.0.0.1", api.client.base_url.port or 0), 30) as connection:
        connection.sendall(content)
        with connection.makefile("rb") as file:
            return file.read()


def refused(api: Api, content: bytes, status: int) -> dict[str, object]:
    """The problem that such bytes are answered with, as the last thing on the connection."""
    head, _, body = sent(api, content).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert b"\r\nconnection: close" in head
    for name, value in HEADERS.items():
        assert f"\r\n{name}: {value}".encode() in head
    told: dict[str, object] = json.loads(body)
    return told


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/v1/jobs", "/v1/nothing", "/v1/jobs/x", "/metrics"]
)
def test_every_answer_has_the_security_headers(api: Api, path: str) -> None:
    answer = api.client.get(path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers


@pytest.mark.parametrize("format_", ["svg", "png"])
def test_a_picture_may_have_styles_and_no_scripts(api: Api, format_: str) -> None:
    answer = api.client.get(f"/v1/jobs/{jobs.submit(api.database)}/curves.{format_}")
    policy = answer.headers["content-security-policy"].split("; ")
    assert policy == ["default-src 'none'", "style-src 'unsafe-inline'", "frame-ancestors 'none'"]


def test_the_documentation_loads_nothing_from_elsewhere(api: Api) -> None:
    page = api.client.get("/docs")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for name in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert api.client.get(f"/{name}").status_code == 200
        assert "//" not in name
    assert api.client.get("/docs/other.js").status_code == 404


@pytest.mark.parametrize(
    ("given", "kept"), [("mine-1:2", True), ("two words", False), ("x" * 101, False), ("é", False)]
)
def test_a_request_has_an_id(api: Api, given: str, kept: bool) -> None:
    answer = api.client.get("/v1/jobs/x", headers={b"X-Request-ID": given.encode()})
    told = problem(answer, 404)["request_id"]
    assert answer.headers["x-request-id"] == told
    assert (told == given) is kept
    assert kept or re.fullmatch(r"req_[0-9A-Z]{26}", told)


def test_the_log_tells_who_asked_what_of_which_job(sqlite_url: str, tmp_path: Path) -> None:
    more = {"PLATEAU_AUTH": "keys", "PLATEAU_LOG_FORMAT": "json"}
    with site_on(sqlite_url, "memory://", tmp_path, **more) as site, site.api() as client:
        id_, token = keyring.make_in(site.database, "me")
        job_id = jobs.submit(site.database, owner="me")
        headers = {**keyring.bearer(token), "X-Request-ID": "look-here"}
        assert client.post(f"/v1/jobs/{job_id}/cancel", headers=headers).status_code == 200
        log = tmp_path / "api-1.log"
        # The line follows the answer.
        processes.wait_for("its line in the log", lambda: "look-here" in log.read_text())
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    told = [line for line in lines if line.get("request_id") == "look-here"]
    wanted = {
        "logger": "api.access", "level": "info", "method": "POST", "status": 200, "owner": "me",
        "route": "/v1/jobs/{job_id}/cancel", "job_id": job_id, "key_id": id_, "process": "api",
    }  # fmt: skip
    assert [{name: line[name] for name in wanted} for line in told] == [wanted]
    assert told[0]["milliseconds"] > 0
    assert token not in log.read_text()


def test_the_state_of_the_service_for_prometheus(api: Api) -> None:
    busy = add_worker(api, 1, "cpu", "any", slots=3)
    add_worker(api, 2, "gpu", silent=api.settings.lease_seconds + 1)
    held = jobs.claim(api.database, jobs.submit(api.database), worker=busy)
    assert held is not None
    jobs.record(api.database, held, 1, 2)
    jobs.submit(api.database, device="gpu")
    jobs.cancel(api.database, jobs.submit(api.database))
    found = figures(api)
    assert found["plateau_jobs", "running"] == 1
    assert found["plateau_jobs", "queued"] == 1
    assert found["plateau_jobs", "cancelled"] == 1
    assert found["plateau_jobs", "failed"] == 0
    assert found["plateau_queue_jobs", "gpu"] == 1
    assert found["plateau_queue_jobs", "any"] == 0
    assert 0 < found["plateau_queue_oldest_seconds", "gpu"] < 60
    assert found["plateau_workers",] == 1
    assert found["plateau_slots", "cpu"] == 3
    assert found["plateau_slots", "gpu"] == 0
    assert found["plateau_slots_busy", "any"] == 1
    assert found["plateau_epochs_total",] == 2
    # 1,437 examples an epoch, each of which took 0.25 s.
    assert found["plateau_examples_per_second",] == pytest.approx(1437 / 0.25)
    assert found["plateau_database_up",] == 1


def test_latencies_and_streams_for_prometheus(api: Api) -> None:
    job_id = jobs.submit(api.database)
    latency = ("plateau_http_request_seconds_count", "GET", "/v1/jobs/{job_id}", "2xx")
    before = figures(api)
    for _ in range(3):
        api.get(f"/v1/jobs/{job_id}")
    with connected(api.client.base_url, f"/v1/jobs/{job_id}/events") as stream:
        stream.read_until(b"id: 1\n\n")
        during = figures(api)
    assert during[latency] - before.get(latency, 0) == 3
    assert during["plateau_open_streams",] == 1


def test_a_method_of_the_clients_own_makes_no_series(api: Api) -> None:
    assert api.client.request("PURGE", "/v1/jobs").status_code == 405
    assert not [name for name in figures(api) if "PURGE" in name]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"x" * 40_000),
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: %s\r\n\r\n" % (b"x" * 40_000),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (b"X-Many: x\r\n" * 4_000),
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Endless: %s" % (b"x" * 40_000),
    ],
    ids=["path", "header", "headers", "endless"],
)
def test_a_head_is_bounded(api: Api, head: bytes) -> None:
    told = refused(api, head, 431)
    assert told["type"] == "/problems/head-too-large"
    assert "PLATEAU_MAX_HEADER_BYTES" in str(told["detail"])
    assert api.get("/healthz") == {"status": "ok"}


@pytest.mark.parametrize("content", [b"hello\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"])
def test_what_is_not_http_is_told_so(api: Api, content: bytes) -> None:
    assert refused(api, content, 400)["type"] == "/problems/malformed-request"


@pytest.mark.parametrize(
    "content",
    [
        b"GET /healthz HT",
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
    ],
    ids=["head", "body"],
)
def test_who_does_not_go_on_is_given_up(
    api: Api, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(BoundedProtocol, "patience_seconds", 0.2)
    assert refused(api, content, 408)["type"] == "/problems/too-slow"


def test_an_error_that_nobody_expected_is_a_problem(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_(*_: object) -> None:
        raise ZeroDivisionError("a secret of the inside")

    monkeypatch.setattr("api.datasets.access.page", break_)
    told = problem(httpx.get(f"{api.client.base_url}/v1/datasets"), 500)
    assert told["type"] == "/problems/internal-error"
    assert "secret" not in json.dumps(told)
