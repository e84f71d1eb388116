"""Requests that no client library would send: they change nothing in who may do what."""

import socket

import httpx
import pytest

from tests import jobs, keyring
from tests.served import Api


def raw(keyed: Api, head: list[bytes]) -> httpx.Response:
    """The answer to a request that no client library would send."""
    port = keyed.client.base_url.port
    with socket.create_connection(("127.0.0.1", port or 0), timeout=10) as connection:
        connection.sendall(b"\r\n".join([*head, b"Connection: close", b"", b""]))
        with connection.makefile("rb") as file:
            told = file.read()
    top, _, body = told.partition(b"\r\n\r\n")
    status, *lines = top.decode("latin-1").split("\r\n")
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    return httpx.Response(
        int(status.split()[1]),
        headers=[each for each in headers if each[0].lower() != "transfer-encoding"],
        content=body,
    )


GET = b"GET /v1/jobs HTTP/1.1"
HOST = b"Host: localhost"
ODD: list[list[bytes]] = [
    [GET],
    [b"GET /v1/jobs HTTP/1.0"],
    *(
        [GET, b"Host: " + host]
        for host in (
            b"", b"localhost/../", b"localhost/healthz", b"localhost/healthz?",
            b"localhost/healthz#", b"localhost@healthz", b"/healthz", b"healthz:99999999", b"[::1",
            b"::", b"\xff\xfe", b"localhost:0/docs?x=", b"x" * 5000, b"a b", b"\\healthz",
            b"http://localhost/healthz", b"127.0.0.1, evil", b"%2fhealthz",
        )
    ),
    [GET, HOST, b"Host: localhost/healthz"],
    [GET, HOST, HOST],
    [b"GET http://localhost/v1/jobs HTTP/1.1", HOST],
    [b"GET http://localhost/healthz/../v1/jobs HTTP/1.1", HOST],
    [b"GET https://evil/v1/jobs HTTP/1.1", b"Host: localhost/healthz"],
    [b"GET //v1/jobs HTTP/1.1", HOST],
    [b"GET /healthz/../v1/jobs HTTP/1.1", HOST],
    [b"GET /healthz%2f..%2fv1/jobs HTTP/1.1", HOST],
    [b"GET /v1/jobs/ HTTP/1.1", HOST],
    [b"GET /V1/jobs HTTP/1.1", HOST],
    [b"GET /v1/jobs;/healthz HTTP/1.1", HOST],
    [b"GET /v1/jobs#/healthz HTTP/1.1", HOST],
    [b"GET /v1/jobs%00 HTTP/1.1", HOST],
    [b"GET * HTTP/1.1", HOST],
    [b"HEAD /v1/jobs HTTP/1.1", HOST],
    *(
        [GET, HOST, header]
        for header in (
            b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Host: localhost/healthz",
            b"X-Forwarded-Prefix: /healthz", b"X-Forwarded-Proto: https", b"X-Real-IP: 127.0.0.1",
            b"Forwarded: for=127.0.0.1;host=localhost", b"X-Original-URL: /healthz",
            b"X-Rewrite-URL: /healthz", b"X-HTTP-Method-Override: OPTIONS", b"X-Owner: local",
            b"Cookie: key=plateau", b"Authorization: Basic bG9jYWw6", b"Origin: http://localhost",
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("head", ODD, ids=lambda head: repr(b" | ".join(head)[:60]))
def test_odd_requests_open_nothing(keyed: Api, head: list[bytes]) -> None:
    mine, others = (jobs.submit(keyed.database, owner) for owner in ("me", "you"))
    stranger = raw(keyed, head)
    assert stranger.status_code in (400, 401, 404, 405, 421, 431), stranger.text
    owner = raw(keyed, [*head, f"Authorization: Bearer {keyring.make(keyed, 'me')}".encode()])
    assert owner.status_code in (200, 400, 401, 404, 405, 421, 431), owner.text
    for answer in (stranger, owner):
        assert others not in answer.text
    assert mine not in stranger.text


@pytest.mark.parametrize("head", ODD, ids=lambda head: repr(b" | ".join(head)[:60]))
def test_odd_requests_do_not_change_anything_for_a_reader(keyed: Api, head: list[bytes]) -> None:
    reader = f"Authorization: Bearer {keyring.make(keyed, 'me', 'read')}".encode()
    first = head[0].replace(b"GET", b"POST").replace(b"HEAD", b"POST")
    body = [b"Content-Type: application/json", b"Content-Length: 0"]
    answer = raw(keyed, [first, *head[1:], reader, *body])
    assert answer.status_code in (400, 401, 403, 404, 405, 421, 431), answer.text
