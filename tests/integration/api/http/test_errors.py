"""Bad requests over HTTP: a problem that names the field, soon, and nothing stored."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlmodel import select

from contract.store.tables import Job
from tests import jobs
from tests.served import Api, problem, strict_json

# Some 5 ms on the reference machine; a busy one is given time.
SECONDS = 1
LAYERS = ["model", "layers"]
FLATTEN = {"type": "Flatten"}
DENSE = {"type": "Dense", "units": 10}
CONV = {"type": "Conv2D", "filters": 2, "kernel_size": 29}
RESHAPE = {"type": "Reshape", "target_shape": [28, 28, 1]}
JSON = {"Content-Type": "application/json"}


def spec(path: list[str | int], value: Any) -> dict[str, Any]:
    """A good experiment but for the value at `path`."""
    body: Any = jobs.experiment().model_dump(mode="json", exclude_unset=True)
    entry = body
    for part in path[:-1]:
        entry = entry[part]
    entry[path[-1]] = value
    return dict(body)


def post(api: Api, content: bytes | Iterator[bytes], **headers: str) -> httpx.Response:
    return api.client.post("/v1/jobs", content=content, headers={**JSON, **headers})


def quickest(api: Api, content: bytes, status: int) -> dict[str, Any]:
    """The problem that `content` is answered with; the best of three must be within the time."""
    answers = [post(api, content) for _ in range(3)]
    assert min(answer.elapsed.total_seconds() for answer in answers) < SECONDS
    with api.database.reading() as session:
        assert session.exec(select(Job.id)).all() == []
    return problem(answers[0], status)


@pytest.mark.parametrize(
    ("path", "value", "pointer", "said"),
    [
        (["epoch"], 3, "/epoch", "no such field"),
        (["training", "epoch"], 3, "/training/epoch", "did you mean epochs?"),
        (["a/b~c"], 3, "/a~1b~0c", "no such field"),
        (["training", "epochs"], "15", "/training/epochs", 'a whole number; received "15"'),
        (["training", "epochs"], 1.5, "/training/epochs", "a whole number; received 1.5"),
        (["training", "epochs"], True, "/training/epochs", "a whole number; received true"),
        (["training", "epochs"], None, "/training/epochs", "a whole number; received null"),
        (["training", "epochs"], 0, "/training/epochs", "at least 1; received 0"),
        (["training", "epochs"], 10**4000, "/training/epochs", "at most"),
        (["training"], [], "/training", "an object; received []"),
        (["name"], "", "/name", "at least 1 character"),
        (["name"], "x" * 101, "/name", "at most 100"),
        (["name"], "a\nb", "/name", "matches"),
        (["tags"], ["a", "no space"], "/tags/1", "matches"),
        (["device"], "tpu", "/device", "one of cpu, gpu or any"),
        (["dataset", "name"], "minst", "/dataset/name", "did you mean mnist?"),
        (["dataset", "name"], "ds_1", "/dataset/name", "or the id of an uploaded dataset, ds_..."),
        (["dataset", "name"], f"ds_{'0' * 26}", "/dataset/name", "there is no uploaded dataset"),
        (
            ["dataset", "samples"],
            100,
            "/dataset/samples",
            "samples belongs to circles, moons, blobs, addition, moving_squares alone",
        ),
        ([*LAYERS], [], "/model/layers", "at least 1; received []"),
        ([*LAYERS, 1], "dense", "/model/layers/1", 'an object, such as {"type": "Dense", "units"'),
        ([*LAYERS, 1], 3, "/model/layers/1", "an object; received 3"),
        ([*LAYERS, 1], {"units": 3}, "/model/layers/1/type", "required"),
        ([*LAYERS, 1, "type"], "Densee", "/model/layers/1/type", "did you mean Dense?"),
        ([*LAYERS, 1, "unit"], 3, "/model/layers/1/unit", "did you mean units?"),
        ([*LAYERS, 1], {"type": "Dense"}, "/model/layers/1/units", "required"),
        ([*LAYERS, 1, "Dense"], 3, "/model/layers/1/Dense", "no such field"),
        ([*LAYERS, 1, "units"], 10**12, "/model/layers/1/units", "parameters"),
        ([*LAYERS], [RESHAPE, CONV, FLATTEN, DENSE], "/model/layers/1/kernel_size", "29x29"),
        (
            [*LAYERS, 1, "kernel_initializer"],
            {"type": "Constant", "value": "x"},
            "/model/layers/1/kernel_initializer/value",
            'a number; received "x"',
        ),
        (
            [*LAYERS, 1, "kernel_initializer"],
            7,
            "/model/layers/1/kernel_initializer",
            "or an object whose type is one of Constant, ",
        ),
        (
            ["training", "optimizer", "learning_rate"],
            float("nan"),
            "/training/optimizer/learning_rate",
            "a finite number; received NaN",
        ),
        (
            ["training", "optimizer", "learning_rate"],
            float("inf"),
            "/training/optimizer/learning_rate",
            "a finite number; received Infinity",
        ),
        (
            ["training", "optimizer", "learning_rate"],
            "fast",
            "/training/optimizer/learning_rate",
            "a number or an object whose type is one of ExponentialDecay",
        ),
        (
            ["training", "optimizer", "learning_rate"],
            {"type": "CosineDecay", "initial_learning_rate": 0.1, "decay_steps": 0},
            "/training/optimizer/learning_rate/decay_steps",
            "at least 1; received 0",
        ),
        (
            ["training", "loss"],
            "mean_sqared_error",
            "/training/loss",
            "did you mean mean_squared_error?",
        ),
        (["training", "loss"], 3, "/training/loss", "or an object whose type is one of"),
    ],
)
def test_a_field_that_cannot_be(
    api: Api, path: list[str | int], value: Any, pointer: str, said: str
) -> None:
    told = quickest(api, json.dumps(spec(path, value)).encode(), 422)
    assert told["type"] == "/problems/spec-refused"
    assert told["instance"] == "/v1/jobs"
    assert [fault["pointer"] for fault in told["errors"]] == [pointer]
    assert said in told["errors"][0]["detail"]
    assert told["detail"].startswith(pointer)
    assert len(told["detail"]) < 1000


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"{", 400, "expected JSON"),
        (b"hello", 400, "expected JSON"),
        (b'{"a": "\xff"}', 400, "UTF-8"),
        (b"[" * 400_000, 400, "nested"),
        (b'{"a":' * 150_000, 400, "nested"),
        (b'{"a": ' + b"1" * 900_000 + b"}", 400, "4300"),
        (b"", 422, "required"),
        (b"null", 422, "expected an object; received null"),
        (b"[]", 422, "expected an object; received []"),
        (b'"job"', 422, "expected an object"),
        (b'{"model": {"layers": [' + b"{}," * 300_000 + b"{}]}}", 413, "41,000 members"),
        (b" " * 5_000_000, 413, "1,000,000 bytes (PLATEAU_MAX_BODY_BYTES); received 5,000,000"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_body_that_is_no_experiment(api: Api, content: bytes, status: int, said: str) -> None:
    assert said in quickest(api, content, status)["detail"]


def test_a_streamed_body_is_not_read_beyond_the_limit(api: Api) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(20):
            sent += 1
            yield b" " * 250_000

    told = problem(post(api, endless()), 413)
    assert "1,000,000 bytes" in told["detail"]
    assert "and more" in told["detail"]


def test_the_connection_goes_on_after_a_refusal(api: Api) -> None:
    """What was not read of a body must not be taken for the next request."""
    for content in (b" " * 5_000_000, b"[" * 400_000, b"{}"):
        post(api, content)
        assert api.get("/healthz") == {"status": "ok"}


@pytest.mark.parametrize(
    "media_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""]
)
def test_only_json_is_taken(api: Api, media_type: str) -> None:
    """A web page may send the others to loopback without asking."""
    answer = post(api, b"{}", **{"Content-Type": media_type})
    told = problem(answer, 415)
    assert told["type"] == "/problems/unsupported-media-type"
    assert "--json" in told["detail"]


def test_json_may_name_its_charset(api: Api) -> None:
    good = json.dumps(spec(["name"], "größer")).encode()
    answer = post(api, good, **{"Content-Type": "Application/JSON; charset=utf-8"})
    assert answer.status_code == 202
    assert strict_json(answer)["name"] == "größer"


def test_many_faults_are_counted(api: Api) -> None:
    body = spec([*LAYERS], [{"type": "Dense", "units": 0}] * 100)
    told = quickest(api, json.dumps(body).encode(), 422)
    assert [fault["pointer"] for fault in told["errors"]] == [
        f"/model/layers/{number}/units" for number in range(20)
    ]
    assert told["errors_left_out"] == 80
    assert "99 more" in told["detail"]


@pytest.mark.parametrize("value", ["x" * 900_000, ["x"] * 4_000, [[{}] * 60] * 60])
def test_what_was_received_is_shown_in_short(api: Api, value: Any) -> None:
    told = quickest(api, json.dumps(spec(["training", "epochs"], value)).encode(), 422)
    assert len(told["errors"][0]["received"]) < 100


def test_unknown_routes_and_methods_are_problems(api: Api) -> None:
    for path in ("/v", "/v1", "/v1/job", "/v1/jobs/", "/v1/jobs/a/b/c", "/v1/%00"):
        assert api.refused(path, 404)["type"] == "/problems/not-found"
    for method, path, allowed in (
        ("DELETE", "/v1/jobs", "GET, HEAD, POST"),
        ("POST", "/v1/recipes", "GET, HEAD"),
        ("GET", "/v1/jobs/x/cancel", "POST"),
    ):
        answer = api.client.request(method, path)
        assert problem(answer, 405)["type"] == "/problems/method-not-allowed"
        assert answer.headers["allow"] == allowed
