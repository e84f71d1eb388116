"""HEAD is what GET would be, without its body (RFC 9110, section 9.3.2)."""

import time

import pytest
from fastapi.routing import iter_route_contexts

from tests import jobs, keyring, processes, proofs, sweeps
from tests.keyring import ask
from tests.served import Api

# Other ones each time, or of the connection alone.
VOLATILE = {"date", "x-request-id", "transfer-encoding"}
NOWHERE = "job_01ARZ3NDEKTSV4RRFFQ69G5FAV"


def headers(api: Api, method: str, path: str) -> dict[str, str]:
    answer = api.client.request(method, path)
    told = {"status": str(answer.status_code), **answer.headers}
    if method == "HEAD":
        assert answer.content == b""
    return {name: value for name, value in told.items() if name not in VOLATILE}


def test_wherever_get_is(api: Api) -> None:
    """As soon as GET, too: the connection goes on with the next request."""
    job = proofs.diagnosed(api.database)
    sweep = api.post("/v1/sweeps", **sweeps.body())["id"]
    ids = {"job_id": job, "sweep_id": sweep, "dataset_id": "digits", "name": "relu-raw"}
    asked = 0
    for route in iter_route_contexts(api.app.routes):
        if "GET" in (route.methods or ()):
            path = str(route.path).format_map(ids)
            told = headers(api, "HEAD", path)
            if path != "/metrics":
                length = told.pop("content-length", None)
                was = headers(api, "GET", path)
                # A picture or a list is what it is at that moment.
                assert (length is None) == (was.pop("content-length", None) is None)
                assert told == was, path
            asked += 1
    assert asked > 25


def test_errors_and_conditions_too(api: Api) -> None:
    path = f"/v1/jobs/{jobs.submit(api.database)}"
    tag = api.client.head(path).headers["etag"]
    assert api.client.head(path, headers={"If-None-Match": tag}).status_code == 304
    assert api.client.head(f"/v1/jobs/{NOWHERE}").status_code == 404
    assert api.client.head(f"{path}?nonesuch=1").status_code == 422
    refused = api.client.head(f"{path}/cancel")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert api.get(path)["status"] == "queued"


def test_a_stream_is_not_begun(api: Api) -> None:
    path = f"/v1/jobs/{jobs.submit(api.database)}/events"
    began = time.monotonic()
    answer = api.client.head(path, headers={"Accept": "text/event-stream"})
    assert time.monotonic() - began < 5
    assert answer.headers["content-type"].startswith("text/event-stream")
    processes.wait_for("it to be over", lambda: api.app.state.feed.listeners == 0)


@pytest.mark.parametrize("token", [None, "nonsense"])
def test_it_is_let_in_as_get_is(keyed: Api, token: str | None) -> None:
    for method, route in keyring.guarded(keyed.app):
        if method == "GET":
            assert ask(keyed, token, str(route.path), "HEAD").status_code == 401


def test_it_is_told_of_as_head(api: Api) -> None:
    api.client.head("/v1/jobs/nonesuch")
    text = api.client.get("/metrics").text
    assert 'method="HEAD"' in text
    assert 'route="/v1/jobs/{job_id}"' in text
