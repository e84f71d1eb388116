"""Parameters of queries: what a route does not take is refused, and what it takes is heard."""

from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from tests import jobs
from tests.served import Api, problem

PATHS = {"job_id": "job_x", "sweep_id": "sweep_x", "dataset_id": "digits", "name": "relu-raw"}


def refused(api: Api, path: str, method: str = "GET") -> list[dict[str, Any]]:
    answer = api.client.request(method, path)
    told = problem(answer, 422)
    assert told["type"] == "/problems/invalid-parameter"
    faults: list[dict[str, Any]] = told["errors"]
    return faults


def test_every_route_refuses_what_it_does_not_take(api: Api) -> None:
    """Those that need no key as well, and those that are in no description."""
    routes = list(iter_route_contexts(api.app.routes))
    assert len(routes) > 35
    for route in routes:
        path = str(route.path).format_map(PATHS)
        for method in route.methods or ():
            faults = refused(api, f"{path}?nonesuch=1", method)
            assert [fault["parameter"] for fault in faults] == ["nonesuch"]
            assert "there is no such parameter" in faults[0]["detail"]


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/v1/jobs?tags=x", "did you mean tag?"),
        ("/v1/jobs/job_x?waits=20", "did you mean wait?"),
        ("/v1/jobs/job_x/results?wiat=1", "did you mean wait?"),
        ("/v1/jobs/job_x/curves?point=100", "did you mean points?"),
        ("/v1/sweeps?limits=3", "did you mean limit?"),
        ("/v1/recipes?limit=3", "nothing takes any here"),
        ("/healthz?verbose=1", "nothing takes any here"),
    ],
)
def test_the_one_that_was_meant_is_named(api: Api, path: str, detail: str) -> None:
    [fault] = refused(api, path)
    assert fault["detail"].endswith(detail)


def test_a_value_is_not_passed_over_for_another(api: Api) -> None:
    [fault] = refused(api, "/v1/jobs?limit=1&limit=2")
    assert (fault["parameter"], fault["received"]) == ("limit", '"2"')
    assert "expected one value, once" in fault["detail"]
    assert refused(api, "/v1/jobs?dry_run=1&dry_run=0", "POST")


def test_several_values_are_heard_where_they_may_be(api: Api) -> None:
    first, both = (jobs.submit(api.database, tags=tags) for tags in (["a"], ["a", "b"]))
    for query, ids in (("tag=a", [both, first]), ("tag=a&tag=b", [both])):
        path = f"/v1/jobs?{query}&status=queued&status=running&fields=id&fields=name"
        assert [job["id"] for job in api.client.get(path).json()["data"]] == ids
