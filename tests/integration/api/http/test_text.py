"""Text that comes in: it can be kept, none of it is passed over, and nothing breaks by it."""

import io
import json
import time
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.routing import RouteContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.http.json_reader import MAX_DEPTH
from contract.sweeps.axes import MAX_AXES, MAX_VALUES
from tests import jobs, keyring, proofs, sweeps
from tests.served import Api, problem

JSON = {"Content-Type": "application/json"}
RECIPE: dict[str, Any] = {"recipe": "relu-raw", "overrides": {}}
SEEDS: dict[str, Any] = {"/training/seed": [1]}
# By the route: a body that is taken, and the places in it where any JSON may stand.
FREE: dict[str, tuple[dict[str, Any], list[list[str]]]] = {
    "/v1/jobs": (RECIPE, [["overrides"], ["x"], []]),
    "/v1/sweeps": (
        {"base": RECIPE, "axes": SEEDS},
        [["base"], ["base", "overrides"], ["axes"], ["axes", "/training/seed"], ["x"], []],
    ),
    "/v1/jobs/{job_id}/repairs": ({}, [["changes"], ["seeds"], ["x"], []]),
}
DEEP = "[" * 300 + "]" * 300
# Inside of a string.
UNSTORABLE = [r"\ud800", r"\udc00\ud800", r"a\u0000b"]
# JSON as text: Python's values cannot say all of it.
HOSTILE = [
    DEEP,
    '{"a":' * 300 + "1" + "}" * 300,
    "[" * 100_000,
    *(f'"{text}"' for text in UNSTORABLE),
    *(f'{{"{text}": 1}}' for text in UNSTORABLE),
    *(f'{{"{text}": null}}' for text in UNSTORABLE),
    *(f'[["{text}"]]' for text in UNSTORABLE),
    '{"a": 1, "a": 2}',
    "1e999999",
    "9" * 4_000,
    '{"$ref": "#"}',
    '{"": {"": {"": []}}}',
    '"\\ud83d\\ude00"',
]
PATHS = {"job_id": "job", "sweep_id": "sweep", "dataset_id": "digits", "name": "relu-raw"}


def body(template: Any, place: list[str], text: str) -> bytes:
    """`template` with `text` at `place`."""
    if not place:
        return text.encode()
    marked = json.loads(json.dumps(template))
    entry = marked
    for part in place[:-1]:
        entry = entry[part]
    entry[place[-1]] = "@here@"
    return json.dumps(marked).replace('"@here@"', text).encode()


def paths(api: Api, *methods: str) -> list[tuple[str, str, str]]:
    """(method, template, path) of each route, on a job and a sweep that are there."""
    found = {
        "job": proofs.diagnosed(api.database),
        "sweep": api.post("/v1/sweeps", **sweeps.body())["id"],
    }
    ids = {name: found.get(value, value) for name, value in PATHS.items()}
    routes: list[tuple[str, RouteContext]] = list(keyring.guarded(api.app))
    told = [(method, str(route.path)) for method, route in routes if method in methods]
    return [(method, template, template.format(**ids)) for method, template in told]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_body_breaks_a_route(api: Api, data: st.DataObject) -> None:
    """Every POST there is, with whatever JSON wherever it may stand."""
    jobs.clear(api.database)
    some = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda below: st.lists(below) | st.dictionaries(st.text(max_size=5), below),
        max_leaves=8,
    ).map(json.dumps)
    for method, template, path in paths(api, "POST"):
        taken, places = FREE.get(template, ({}, [[]]))
        sent = body(
            taken, data.draw(st.sampled_from(places)), data.draw(st.sampled_from(HOSTILE) | some)
        )
        answer = api.client.request(method, path, content=sent, headers=JSON)
        assert answer.status_code < 500, (path, sent[:200], answer.text)


@pytest.mark.parametrize("text", [DEEP, *(f'{{"{text}": 1}}' for text in UNSTORABLE)])
@pytest.mark.parametrize("route", FREE)
def test_what_cannot_be_kept_is_refused_wherever_it_stands(api: Api, route: str, text: str) -> None:
    path = route.format(job_id=proofs.diagnosed(api.database))
    taken, places = FREE[route]
    for place in places:
        answer = api.client.post(path, content=body(taken, place, text), headers=JSON)
        told = problem(answer, 400)
        assert told["type"] == "/problems/malformed-body"
        assert ("levels deep" if text == DEEP else "expected text without NUL") in told["detail"]
        assert "/".join(["", *(part.replace("/", "~1") for part in place)]) in told["detail"]


def test_as_deep_as_it_may_be(api: Api) -> None:
    for depth, status in ((MAX_DEPTH, 422), (MAX_DEPTH + 1, 400)):
        nested = "[" * depth + "]" * depth
        assert api.client.post("/v1/jobs", content=nested, headers=JSON).status_code == status


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-32-be", "latin-1"])
def test_json_is_utf_8(api: Api, encoding: str) -> None:
    sent = json.dumps({**RECIPE, "overrides": {"name": "größer"}}, ensure_ascii=False)
    told = problem(api.client.post("/v1/jobs", content=sent.encode(encoding), headers=JSON), 400)
    assert "expected JSON in UTF-8" in told["detail"]
    for known in ("utf-8", "utf-8-sig"):
        answer = api.client.post("/v1/jobs", content=sent.encode(known), headers=JSON)
        assert answer.json()["name"] == "größer"


def test_a_member_that_is_there_twice_is_not_passed_over(api: Api) -> None:
    for twice in (
        '{"recipe": "relu-raw", "recipe": "relu-unit"}',
        '{"overrides": {"a": 1, "a": 1}}',
    ):
        told = problem(api.client.post("/v1/jobs", content=twice, headers=JSON), 400)
        assert "there twice in one object" in told["detail"]
    many = "{" + ",".join(f'"{n}": 1' for n in range(4_000)) + ', "3999": 1}'
    began = time.monotonic()
    assert (
        '"3999" is there twice'
        in problem(api.client.post("/v1/jobs", content=many, headers=JSON), 400)["detail"]
    )
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("text", ["%00", "a%00b", "%ff", "%ed%a0%80", "%c3", "a%F8b"])
def test_no_query_breaks_a_route(api: Api, text: str) -> None:
    """As a name and as a value; after the question mark, and in the path."""
    for method, template, path in paths(api, "GET", "POST", "DELETE"):
        for query in (f"{text}=1", f"wait={text}", f"limit=1&after={text}", f"name={text}"):
            answer = api.client.request(method, f"{path}?{query}", content=b"{}", headers=JSON)
            told = problem(answer, 422)
            assert told["type"] == "/problems/invalid-parameter"
            assert "text in UTF-8" in json.dumps(told)
        odd = template.format_map(dict.fromkeys(PATHS, text))
        answer = api.client.request(method, odd, content=b"{}", headers=JSON)
        assert answer.status_code < 500, (method, odd, answer.text)


@pytest.mark.parametrize("value", ["\xff\xfe", "a\tb", "\x7f", '"\xed\xa0\x80"', "*" * 500])
def test_no_header_breaks_a_route(api: Api, value: str) -> None:
    names = ("Idempotency-Key", "If-None-Match", "Last-Event-ID", "Accept", "X-Request-ID", "Range")
    for method, _, path in paths(api, "GET", "POST"):
        for name in names:
            headers: Any = {**JSON, name.encode(): value.encode("latin-1")}
            answer = api.client.request(method, path, content=b"{}", headers=headers)
            assert answer.status_code < 500, (path, name, answer.text)


def uploaded(api: Api, content: bytes, media: str, **query: str) -> httpx.Response:
    return api.client.post(
        "/v1/datasets",
        params={"name": "x", **query},
        content=content,
        headers={"Content-Type": media},
    )


@pytest.mark.parametrize("text", ["a\0b", "\0", "\ud800", "\udc00x"])
def test_an_upload_names_nothing_that_cannot_be_kept(api: Api, text: str) -> None:
    """Columns and classes, of tables and of arrays."""
    raw = text.encode("utf-8", "surrogatepass")
    header = b"a," + raw + b"\n" + b"1,2\n3,4\n" * 20
    classes = b"a,b\n" + (b"1," + raw + b"\n2,y\n") * 20
    for content, label in ((header, "a"), (classes, "b")):
        problem(uploaded(api, content, "text/csv", label=label), 422)
    file = io.BytesIO()
    labels = np.array([text, "y"] * 20)
    if "\0" in text:
        labels = np.array([f"{text}|", "y"] * 20)  # NumPy drops NUL at the end
    np.savez(file, x=np.zeros((40, 2), np.float32), y=labels)
    problem(uploaded(api, file.getvalue(), "application/x-npz"), 422)


def test_as_many_axes_and_values_as_are_documented(api: Api) -> None:
    """Each with its own place in the experiment, as many as there may be at once."""
    places = ["/training/seed", "/training/batch_size", "/dataset/limit", "/training/epochs"]
    places += [f"/model/layers/{layer}/units" for layer in range(1, MAX_AXES - len(places) + 1)]
    layers: list[dict[str, Any]] = [{"type": "Flatten"}]
    layers += [{"type": "Dense", "units": 10} for _ in places[4:]]
    layers += [{"type": "Dense", "units": 10, "activation": "softmax"}]
    base = jobs.experiment(model={"layers": layers}).model_dump(mode="json", exclude_unset=True)
    axes = {place: list(range(1, MAX_VALUES + 1)) for place in places}
    sent = {"base": base, "axes": axes, "method": "random", "samples": 3}
    began = time.monotonic()
    told = api.client.post("/v1/sweeps", json=sent)
    assert told.status_code == 202, told.text
    assert time.monotonic() - began < 2
    assert len(told.json()["cells"][0]["values"]) == MAX_AXES
    for more in ({**axes, "/training/shuffle": [True]}, {**axes, places[0]: list(range(1_001))}):
        refused = api.client.post("/v1/sweeps", json={**sent, "axes": more})
        assert refused.json()["type"] == "/problems/spec-refused"
