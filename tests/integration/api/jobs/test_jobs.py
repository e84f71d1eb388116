"""Jobs over HTTP: what is posted, listed, cancelled and run again."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from sqlalchemy import event

from contract.experiment.datasets import Upload
from contract.jobs import create, lifecycle
from contract.store import clock
from contract.store.tables import LOCAL, Worker
from tests import jobs, keyring, uploaded
from tests.served import Api, looking_for, problem, serving, settings_for

NOWHERE = "job_01ARZ3NDEKTSV4RRFFQ69G5FAV"
RECIPES = sorted((Path(__file__).parents[4] / "recipes").glob("*.json"))


def spec(**changes: Any) -> dict[str, Any]:
    return jobs.experiment(**changes).model_dump(mode="json", exclude_unset=True)


def submitted(api: Api, count: int, **changes: Any) -> list[str]:
    return [jobs.submit(api.database, **changes) for _ in range(count)]


def add_worker(api: Api, number: int, *queues: str, slots: int = 1, silent: float = 0) -> str:
    """A worker that last gave a sign of life `silent` seconds ago; returns its id."""
    id_ = f"worker_{number:026}"
    with api.database.writing() as session:
        at = clock.read(session)
        session.add(
            Worker(
                id=id_,
                host="here",
                pid=1,
                devices=["cpu"],
                queues=list(queues),
                slots=slots,
                started_at=at,
                heartbeat_at=at - timedelta(seconds=silent),
            )
        )
    return id_


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_can_be_posted_as_it_is(api: Api, recipe: Path) -> None:
    content = recipe.read_bytes()
    answer = api.client.post(
        "/v1/jobs", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 202
    assert answer.headers["retry-after"] == "1"
    job = api.get(answer.headers["location"])
    assert answer.json() == job | {"findings": answer.json()["findings"]}
    assert job["spec"] == api.get(f"/v1/recipes/{recipe.stem}")


def test_a_recipe_can_be_posted_by_name_and_changed(api: Api) -> None:
    changes = {"name": "mine", "dataset": {"scaling": "unit"}, "tags": ["x"]}
    job = api.post("/v1/jobs", recipe="relu-raw", overrides=changes)
    recipe = api.get("/v1/recipes/relu-raw")
    scaled = {**recipe["dataset"], "scaling": "unit"}
    assert job["spec"] == {**recipe, "name": "mine", "tags": ["x"], "dataset": scaled}
    assert (job["name"], job["tags"]) == ("mine", ["x"])
    assert api.post("/v1/jobs", recipe="relu-unit")["spec"] == api.get("/v1/recipes/relu-unit")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"recipe": "relu"}, "/recipe"),
        ({"recipe": "relu-raw", "overrides": {"epochs": 3}}, "/overrides/epochs"),
        ({"recipe": "relu-raw", "overrides": {"dataset": {"name": "iris"}}}, "/recipe"),
        (
            {"recipe": "relu-raw", "overrides": {"training": {"epochs": 10**6}}},
            "/overrides/training/epochs",
        ),
    ],
)
def test_a_recipe_that_cannot_be_changed_so(api: Api, body: dict[str, Any], pointer: str) -> None:
    told = problem(api.client.post("/v1/jobs", json=body), 422)
    assert told["type"] == "/problems/spec-refused"
    assert [fault["pointer"] for fault in told["errors"]] == [pointer]


def test_a_dry_run_tells_what_a_job_would_cost_and_stores_nothing(api: Api) -> None:
    told = api.post("/v1/jobs?dry_run=true", 200, recipe="relu-raw")
    assert [layer["output_shape"] for layer in told["layers"]] == [[784], [100], [10]]
    assert [layer["parameters"] for layer in told["layers"]] == [0, 78_500, 1_010]
    assert (told["object"], told["parameters"], told["output_shape"]) == ("dry_run", 79_510, [10])
    # A multiply-add counts as 2; three passes over 60,000 examples in 15 epochs.
    assert told["flops_per_example"] == 2 * (784 * 100 + 100 * 10) + 100 + 20 + 100
    assert told["flops_total"] == 3 * told["flops_per_example"] * 60_000 * 15
    assert told["steps_per_epoch"] == 600
    assert told["max_seconds"] == api.settings.max_train_seconds
    memory = told["memory"]
    assert memory["total"] == memory["weights"] + memory["activations"] + memory["dataset"]
    assert memory["weights"] == 4 * 2 * 79_510
    assert told["spec"] == api.get("/v1/recipes/relu-raw")
    (finding,) = told["findings"]
    assert (finding["code"], finding["pointer"]) == ("input_scale", "/dataset/scaling")
    assert finding["repairs"][0]["patch"] == [
        {"op": "add", "path": "/dataset/scaling", "value": "unit"}
    ]
    assert api.get("/v1/jobs")["data"] == []


def test_a_dry_run_tells_how_long_a_run_may_train(api: Api) -> None:
    training = {**spec()["training"], "max_seconds": 90}
    assert api.post("/v1/jobs?dry_run=true", 200, **spec(training=training))["max_seconds"] == 90


def test_a_dry_run_refuses_what_a_job_would_be_refused_for(api: Api) -> None:
    body = spec(dataset={"name": "iris"})
    real, dry = (
        problem(api.client.post("/v1/jobs", json=body, params=query), 422)
        for query in ({}, {"dry_run": "true"})
    )
    assert real["errors"] == dry["errors"]


def test_what_an_experiment_already_shows_comes_with_the_job(api: Api) -> None:
    """Softmax over a single unit says 1 whatever its input; that blocks nothing."""
    one = {"type": "Dense", "units": 1, "activation": "softmax"}
    body = spec(dataset={"name": "circles"}, model={"layers": [one]})
    headers = {"Idempotency-Key": "once"}
    first = api.client.post("/v1/jobs", json=body, headers=headers).json()
    (finding,) = first["findings"]
    assert (finding["code"], finding["level"]) == ("head", "error")
    assert finding["pointer"].startswith("/model/layers/0")
    assert finding["repairs"]
    assert api.client.post("/v1/jobs", json=body, headers=headers).json()["findings"] == [finding]
    api.client.post(first["urls"]["cancel"])
    assert api.post(first["urls"]["retry"])["findings"] == [finding]
    assert "findings" not in api.get(first["urls"]["self"])
    assert api.post("/v1/jobs", recipe="relu-unit")["findings"] == []


def test_a_queued_job_shows_what_it_is(api: Api) -> None:
    job = api.post("/v1/jobs", **spec(tags=["b", "a", "b"], device="cpu"))
    at = job["created_at"]
    assert job["urls"].pop("self") == f"/v1/jobs/{job['id']}"
    shown = {name: job[name] for name in ("object", "name", "tags", "status", "terminal", "device")}
    assert shown == {
        "object": "job", "name": "small", "tags": ["b", "a"], "status": "queued",
        "terminal": False, "device": "cpu",
    }  # fmt: skip
    assert job["progress"] == {
        "epoch": 0, "epochs": jobs.EPOCHS, "fraction": 0.0, "eta_seconds": None,
    }  # fmt: skip
    assert job["transitions"] == [{"status": "queued", "at": at, "reason": None}]
    assert at.endswith("Z")
    for name in ("verdict", "headline", "metrics", "error", "worker", "started_at", "finished_at"):
        assert job[name] is None, name


def test_a_running_job_shows_how_far_it_is(api: Api) -> None:
    held = jobs.running(api.database)
    jobs.record(api.database, held, 1, 2)
    with api.database.writing() as session:
        lifecycle.renew(session, held, lease_seconds=60, epoch_fraction=0.5)
    job = api.get(f"/v1/jobs/{held.job_id}")
    assert job["status"] == "running"
    assert job["worker"] == "worker_a"
    assert job["attempts"] == 1
    assert job["queue"] is None
    # 2.5 of 5 epochs at the 0.25 s that each took.
    assert job["progress"] == {"epoch": 2, "epochs": 5, "fraction": 0.5, "eta_seconds": 0.6}


def test_a_job_that_was_given_back_says_why(api: Api) -> None:
    held = jobs.running(api.database)
    with api.database.writing() as session:
        jobs.release(session, held)
    told = [(t["status"], t["reason"]) for t in api.get(f"/v1/jobs/{held.job_id}")["transitions"]]
    assert told == [("queued", None), ("running", None), ("queued", "its worker stops")]


def test_a_job_that_waits_for_its_next_try_says_why_and_until_when(api: Api) -> None:
    add_worker(api, 1, "cpu", "any")
    held = jobs.running(api.database)
    with api.database.writing() as session:
        jobs.refuse(session, held)
    until = jobs.stored(api.database, held.job_id).not_before
    assert until is not None
    later = jobs.submit(api.database)
    assert api.get(f"/v1/jobs/{held.job_id}")["queue"]["reason"] == (
        "its worker could not train it (1 in a row): no room; "
        f"it is tried again at {until:%Y-%m-%dT%H:%M:%SZ}, and lets others pass until then"
    )
    assert api.get(f"/v1/jobs/{later}")["queue"]["position"] == 1


@pytest.mark.parametrize("order", [None, "desc", "asc"])
def test_pages_lead_through_all_jobs_newest_first_unless_told(api: Api, order: str | None) -> None:
    ids = submitted(api, 5)
    pages = []
    given = {} if order is None else {"order": order}
    after: dict[str, str] = {}
    more = True
    while more:
        page = api.get("/v1/jobs", limit=2, **given, **after)
        assert page["object"] == "list"
        pages.append([job["id"] for job in page["data"]])
        after = {"after": pages[-1][-1]}
        more = page["has_more"]
    wanted = iter(sorted(ids, reverse=order != "asc"))
    assert pages == [list(islice(wanted, 2)) for _ in range(3)]


def test_a_page_is_the_job_itself_several_times(api: Api) -> None:
    held = jobs.running(api.database, tags=["x"])
    with api.database.writing() as session:
        jobs.fail(session, held)
    submitted(api, 2)
    for job in api.get("/v1/jobs")["data"]:
        assert job == api.get(f"/v1/jobs/{job['id']}")


def test_a_page_costs_the_same_number_of_statements_however_long(api: Api) -> None:

    def cost(more: int) -> int:
        submitted(api, more)
        with looking_for(api, "SELECT") as statements:
            api.get("/v1/jobs", limit=100)
        return len(statements)

    assert cost(2) == cost(10) > 0


def test_filters(api: Api) -> None:
    plain = jobs.submit(api.database)
    tagged = jobs.submit(api.database, tags=["blue", "big"])
    iris = jobs.submit(
        api.database,
        dataset={"name": "iris"},
        model={"layers": [{"type": "Dense", "units": 3}]},
        tags=["blue"],
    )
    own = jobs.submit(
        api.database,
        upload=Upload(uploaded.facts("classification"), uploaded.KEY, "0" * 64).to_dict(),
        dataset={"name": uploaded.ID},
    )
    held = jobs.running(api.database)
    with api.database.writing() as session:
        jobs.succeed(session, held)

    def found(**query: Any) -> set[str]:
        return {job["id"] for job in api.get("/v1/jobs", **query)["data"]}

    assert found(status="queued") == {plain, tagged, iris, own}
    assert found(status=["queued", "succeeded"]) == {plain, tagged, iris, own, held.job_id}
    assert found(status="failed") == set()
    assert found(verdict="undetermined") == {held.job_id}
    assert found(dataset="iris") == {iris}
    assert found(dataset=uploaded.ID) == {own}
    assert found(tag="blue") == {tagged, iris}
    assert found(tag=["blue", "big"]) == {tagged}
    assert found(tag="blue", dataset="digits") == {tagged}


def test_a_queued_job_is_cancelled_at_once(api: Api) -> None:
    job = api.post(f"/v1/jobs/{jobs.submit(api.database)}/cancel", 200)
    assert job["status"] == "cancelled"
    assert job["terminal"] is True
    assert job["finished_at"] is not None
    assert api.post(f"/v1/jobs/{job['id']}/cancel", 200) == job


@pytest.mark.parametrize("end", [jobs.succeed, jobs.fail])
def test_what_has_ended_otherwise_cannot_be_cancelled(api: Api, end: Any) -> None:
    held = jobs.running(api.database)
    with api.database.writing() as session:
        end(session, held)
    status = api.get(f"/v1/jobs/{held.job_id}")["status"]
    told = api.refused(f"/v1/jobs/{held.job_id}/cancel", 409, "POST")
    assert told["type"] == "/problems/conflict"
    assert status in told["detail"]


def test_urls_lead_to_all_that_there_is_of_a_job(api: Api) -> None:
    id_ = jobs.submit(api.database)
    jobs.reach(api.database, id_, 0.9)
    urls = api.get(f"/v1/jobs/{id_}")["urls"]
    routes = [route for _, route in keyring.guarded(api.app)]
    below = {str(route.path) for route in routes if "{job_id}" in str(route.path)}
    below.remove("/v1/jobs/{job_id}/repairs/cancel")
    assert set(urls.values()) == {path.format(job_id=id_) for path in below}
    assert urls["self"] == f"/v1/jobs/{id_}"
    for picture in ("png", "svg", "csv"):
        answer = api.client.get(urls[f"curves_{picture}"])
        assert answer.status_code == 200
        assert picture in answer.headers["content-type"]


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_what_takes_no_body_hears_none(api: Api, action: str) -> None:
    id_ = jobs.submit(api.database)
    jobs.cancel(api.database, id_)
    path = f"/v1/jobs/{id_}/{action}"
    told = problem(api.client.post(path, json={"reason": "too dear"}), 400)
    assert "expected no body" in told["detail"]
    for nothing in (b"", b"{}"):
        expected = 200 if action == "cancel" else 202
        assert api.client.post(path, content=nothing).status_code == expected


def test_a_running_job_is_asked_to_stop(api: Api) -> None:
    held = jobs.running(api.database)
    path = f"/v1/jobs/{held.job_id}"
    once, twice = (api.post(f"{path}/cancel", 200) for _ in range(2))
    assert once == twice
    assert (once["status"], once["terminal"]) == ("cancelling", False)
    with api.database.writing() as session:
        lifecycle.acknowledge_cancel(session, held)
    assert api.get(path)["status"] == "cancelled"


def test_a_job_that_has_ended_can_be_run_again(api: Api) -> None:
    held = jobs.running(api.database, tags=["x"])
    path = f"/v1/jobs/{held.job_id}"
    assert "running" in api.refused(f"{path}/retry", 409, "POST")["detail"]
    with api.database.writing() as session:
        jobs.fail(session, held)
    first = api.get(path)
    assert first["error"] == {"code": "x", "message": "It broke.", "hint": "Mend it."}
    answer = api.client.post(f"{path}/retry")
    assert answer.status_code == 202
    again = api.get(answer.headers["location"])
    assert again["id"] != first["id"]
    assert (again["retry_of"], again["status"]) == (first["id"], "queued")
    assert (again["spec"], again["tags"]) == (first["spec"], first["tags"])
    assert api.get(path) == first


def test_no_worker_for_a_gpu_job_is_said(api: Api) -> None:
    add_worker(api, 1, "cpu", "any")
    add_worker(api, 2, "gpu", "any", "cpu", silent=api.settings.lease_seconds + 1)
    gpu, other = (api.post("/v1/jobs", **spec(device=device)) for device in ("gpu", "any"))
    assert gpu["queue"]["reason"] == (
        'no worker that serves device "gpu" is alive: start one (docker compose --profile gpu up, '
        "or python -m worker on a machine with a GPU); one that was just started takes up to a "
        "minute to load TensorFlow"
    )
    assert other["queue"] == {"position": 2, "reason": "1 job is ahead"}


def test_positions_count_those_that_compete(api: Api) -> None:
    devices = ("cpu", "gpu", "any", "cpu", "gpu", "any")
    for device in devices:
        jobs.submit(api.database, device=device)
    listed = reversed(api.get("/v1/jobs")["data"])
    assert [(job["device"], job["queue"]["position"]) for job in listed] == list(
        zip(devices, (1, 1, 3, 3, 3, 6), strict=True)
    )


def test_a_long_queue_is_counted_up_to_a_thousand(api: Api) -> None:
    with api.database.writing() as session:
        rows = [create.new(jobs.experiment(), owner=LOCAL) for _ in range(1_002)]
        create.submit(session, rows)
    add_worker(api, 1, "cpu", "any")
    ids = [row.id for row in rows]
    places = [api.get(f"/v1/jobs/{id_}")["queue"] for id_ in (ids[0], ids[999], ids[1001])]
    assert [place["position"] for place in places] == [1, 1000, 1001]
    assert "999 jobs are ahead" in places[1]["reason"]
    assert "1,000 jobs or more are ahead" in places[2]["reason"]


def test_what_a_queued_job_waits_for(api: Api) -> None:
    worker = add_worker(api, 1, "cpu", "any", slots=2)
    first = jobs.submit(api.database)

    def reason(job_id: str) -> str:
        return str(api.get(f"/v1/jobs/{job_id}")["queue"]["reason"])

    assert reason(first) == "a worker is about to take it"
    for _ in range(2):
        assert jobs.claim(api.database, jobs.submit(api.database), worker=worker)
    assert reason(first) == "all 2 slots of the workers that serve any are busy"
    second = jobs.submit(api.database)
    assert reason(second) == (
        "1 job is ahead, and all 2 slots of the workers that serve any are busy"
    )


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", ""),
        *(
            ("GET", f"/{rest}")
            for rest in (
                "results", "curves", "curves.csv", "curves.png", "curves.svg", "events", "model"
            )
        ),
        ("POST", "/cancel"),
        ("POST", "/retry"),
    ],
)  # fmt: skip
def test_a_job_that_does_not_exist(api: Api, method: str, rest: str) -> None:
    for id_ in (NOWHERE, NOWHERE.lower(), "1", "%00", "%ff", "job_%F0%9F%92%A9"):
        told = api.refused(f"/v1/jobs/{id_}{rest}", 404, method)
        assert told["type"] == "/problems/not-found"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"status": "done"}, "status"),
        ({"dataset": "minst"}, "dataset"),
        ({"tag": "a b"}, "tag"),
        ({"tag": "\0"}, "tag"),
        ({"verdict": "\0"}, "verdict"),
        ({"after": "1"}, "after"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"statu": "queued"}, "statu"),
        ({"order": "up"}, "order"),
        ({"fields": "status,speck"}, "fields"),
        ({"fields": ""}, "fields"),
    ],
)
def test_a_parameter_that_cannot_be(api: Api, query: dict[str, Any], parameter: str) -> None:
    told = api.refused("/v1/jobs", 422, query=query)
    assert told["type"] == "/problems/invalid-parameter"
    assert [fault["parameter"] for fault in told["errors"]] == [parameter]


@pytest.mark.parametrize("working", [True, False])
def test_a_new_job_is_rung_for_after_its_commit(
    sqlite_url: str, redis_url: str, tmp_path: Path, working: bool
) -> None:
    """A broker that is down costs neither the job nor time."""
    broker = redis_url if working else "redis://127.0.0.1:1/0"
    with serving(settings_for(sqlite_url, tmp_path, broker_url=broker)) as api:
        answer = api.client.post("/v1/jobs", json=spec())
        assert answer.status_code == 202
        assert answer.elapsed.total_seconds() < 3
        assert api.get(answer.headers["location"])["status"] == "queued"
        assert api.get("/readyz")["broker"] == ("reachable" if working else "unreachable")
        if working:
            with redis.Redis.from_url(redis_url) as client:
                _, message = client.blpop("plateau.any", timeout=10)
            assert answer.json()["id"].encode() in message


def test_only_what_is_committed_is_accepted(sqlite_url: str, tmp_path: Path) -> None:
    with serving(settings_for(sqlite_url, tmp_path)) as api:

        @event.listens_for(api.app.state.database.engine, "commit")
        def fail(_connection: Any) -> None:
            raise OSError("disk full")

        answer = api.client.post("/v1/jobs", json=spec())
        problem(answer, 500)
        assert api.get("/v1/jobs")["data"] == []


def test_many_clients_at_once_are_all_answered(api: Api) -> None:
    """More than there are threads and connections: none may be kept from one who needs both."""
    path = f"/v1/jobs/{jobs.submit(api.database)}"
    body = spec()

    limits = httpx.Limits(max_connections=120)
    with (
        httpx.Client(base_url=api.client.base_url, timeout=60, limits=limits) as client,
        ThreadPoolExecutor(120) as threads,
    ):

        def ask(number: int) -> int:
            answer = client.get(path) if number % 4 else client.post("/v1/jobs", json=body)
            return answer.status_code

        told = Counter(threads.map(ask, range(120)))
    assert told == {200: 90, 202: 30}
