"""Sweeps over HTTP, on both databases: what is made, what is refused, and the table."""

from statistics import fmean, stdev
from typing import Any

import pytest
from sqlmodel import Session, func, select
from ulid import ULID

from contract.store.status import TERMINAL
from contract.store.tables import Job, Sweep
from tests import jobs, keyring, sweeps
from tests.keyring import ask
from tests.served import Api, looking_for, problem, serving, settings_for
from tests.sweeps import RATE, RATES, UNITS, body

KEY = {"Idempotency-Key": "6f9fd4f2-7c0b-4d1c-9f6a-0d4a3c1f5e11"}
RANGE = {"low": 0.001, "high": 1.0, "log": True}


def posted(api: Api, **changes: Any) -> dict[str, Any]:
    return api.post("/v1/sweeps", **body(**changes))


def asking(*more: str) -> dict[str, Any]:
    """A base that asks for metrics."""
    base: dict[str, Any] = body()["base"]
    return base | {"training": base["training"] | {"metrics": ["auc", "true_positives", *more]}}


def count(api: Api, table: type = Job) -> int:
    with api.database.reading() as session:
        return session.exec(select(func.count()).select_from(table)).one()


def escaped(pointer: str) -> str:
    return pointer.replace("/", "~1")


def test_a_grid_has_a_job_for_each_cell_and_seed(api: Api) -> None:
    answer = api.client.post(
        "/v1/sweeps", json=body(axes={RATE: RATES, UNITS: [10, 20]}, seeds=2, name="rates")
    )
    assert answer.status_code == 202
    told = answer.json()
    assert answer.headers["location"] == told["urls"]["self"] == f"/v1/sweeps/{told['id']}"
    assert answer.headers["retry-after"] == "1"
    assert told["jobs"] == {"queued": 8}
    assert (told["status"], told["terminal"], told["name"]) == ("running", False, "rates")
    assert [cell["values"] for cell in told["cells"]] == [
        {RATE: rate, UNITS: units} for rate in RATES for units in (10, 20)
    ]
    runs = sweeps.runs(api.database, told["id"])
    assert [(run.cell, run.spec["training"]["seed"]) for run in runs] == [
        (cell, seed) for cell in range(4) for seed in (0, 1)
    ]
    for run in runs:
        rate, units = told["cells"][run.cell or 0]["values"].values()
        assert run.spec["training"]["optimizer"] == {"type": "SGD", "learning_rate": rate}
        assert run.spec["model"]["layers"][1]["units"] == units
        assert (run.owner, run.status, run.epochs) == ("local", "queued", jobs.EPOCHS)
        jobs.check(api.database, run.id)
    assert runs[1].name == "small: learning_rate=0.1, units=10, run 2"


def test_a_recipe_is_a_base_too(api: Api) -> None:
    base = {"recipe": "relu-raw", "overrides": {"training": {"epochs": 2}}}
    told = posted(api, base=base, axes={"/dataset/scaling": ["none", "unit"]})
    runs = sweeps.runs(api.database, told["id"])
    assert [run.spec["dataset"]["scaling"] for run in runs] == ["none", "unit"]
    assert {run.epochs for run in runs} == {2}
    assert told["name"] == "relu-raw"


def test_an_axis_may_hold_whole_objects(api: Api) -> None:
    optimizers = [{"type": "SGD", "momentum": 0.9}, {"type": "Adam"}]
    told = posted(api, axes={"/training/optimizer": optimizers})
    runs = sweeps.runs(api.database, told["id"])
    assert [run.spec["training"]["optimizer"] for run in runs] == optimizers


def test_random_draws_as_many_cells_as_it_is_told(api: Api) -> None:
    asked = {"axes": {RATE: RANGE, UNITS: {"low": 10, "high": 99}}, "method": "random"}
    told = posted(api, **asked, samples=7, seed=3)
    again = posted(api, **asked, samples=7, seed=3)
    other = posted(api, **asked, samples=7, seed=4)
    values = [[cell["values"] for cell in each["cells"]] for each in (told, again, other)]
    assert values[0] == values[1] != values[2]
    assert len({str(each) for each in values[0]}) == 7
    for each in values[0]:
        assert 0.001 <= each[RATE] <= 1
        assert each[UNITS] in range(10, 100)


def test_the_table_tells_mean_spread_and_verdicts(api: Api) -> None:
    id_ = posted(api, seeds=3)["id"]
    values = [0.5, 0.7, 0.9, 0.8, 0.8]
    for run, value in zip(sweeps.runs(api.database, id_), values, strict=False):
        sweeps.reach(api.database, run.id, value)
    told = api.get(f"/v1/sweeps/{id_}")
    first, second = told["cells"]
    assert (first["count"], first["min"], first["max"]) == (3, 0.5, 0.9)
    assert first["mean"] == pytest.approx(fmean(values[:3]))
    assert first["spread"] == pytest.approx(stdev(values[:3]))
    assert (second["count"], second["mean"], second["spread"]) == (2, 0.8, 0)
    assert first["verdicts"] == {"undetermined": 3}
    assert [run["value"] for run in second["runs"]] == [0.8, 0.8, None]
    assert [run["seed"] for run in second["runs"]] == [0, 1, 2]
    assert api.get(second["runs"][2]["url"])["cell"] == 1
    assert told["best"] == second
    assert told["jobs"] == {"queued": 1, "succeeded": 5}
    assert told["objective"] == {"metric": "val_accuracy", "goal": "max"}
    assert told["budget"]["spent_epochs"] == 5 * jobs.EPOCHS
    assert told["budget"]["spent_seconds"] == 5 * jobs.EPOCHS * 0.25


def test_a_run_whose_loss_is_no_number_spoils_its_cell(api: Api) -> None:
    id_ = posted(api, seeds=2, objective={"metric": "val_loss"})["id"]
    runs = sweeps.runs(api.database, id_)
    for run, value in zip(runs, [0.9, float("nan"), 0.1, 0.2], strict=True):
        sweeps.reach(api.database, run.id, value)
    told = api.get(f"/v1/sweeps/{id_}")
    assert told["objective"] == {"metric": "val_loss", "goal": "min"}
    first, second = told["cells"]
    assert (first["mean"], first["spread"], first["count"]) == ("NaN", "NaN", 2)
    assert first["min"] == pytest.approx(0.1)
    assert told["best"] == second
    assert second["mean"] == pytest.approx(0.85)


@pytest.mark.parametrize(
    ("objective", "goal"),
    [
        ({"metric": "val_auc"}, "max"),
        ({"metric": "test_auc"}, "max"),
        ({"metric": "true_positives", "goal": "min"}, "min"),
    ],
)
def test_what_was_asked_for_may_be_the_objective(
    api: Api, objective: dict[str, str], goal: str
) -> None:
    told = api.get(f"/v1/sweeps/{posted(api, base=asking(), objective=objective)['id']}")
    assert told["objective"] == {"metric": objective["metric"], "goal": goal}


def test_the_final_weights_may_be_the_objective(api: Api) -> None:
    id_ = posted(api, objective={"metric": "test_accuracy", "goal": "min"})["id"]
    for run in sweeps.runs(api.database, id_):
        jobs.reach(api.database, run.id, 0.25 + (run.cell or 0) / 2)
    told = api.get(f"/v1/sweeps/{id_}")
    assert [cell["mean"] for cell in told["cells"]] == [0.25, 0.75]
    assert told["best"]["cell"] == 0


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"axes": {RATE: [0.1, -1, "x"]}}, [f"/axes/{escaped(RATE)}/{n}" for n in (1, 2)]),
        ({"axes": {"/training/optimiser/rate": [1]}}, ["/axes/~1training~1optimiser~1rate/0"]),
        ({"axes": {"/model/layers/7": [1]}}, ["/axes/~1model~1layers~17"]),
        ({"axes": {"/model/layers/2/units": [10, 5]}}, ["/axes/~1model~1layers~12~1units/1"]),
        ({"axes": {"/model/layers/1/rate": [0.5]}}, ["/axes/~1model~1layers~11~1rate/0"]),
        ({"axes": {"/training/epochs": [1, 10_001]}}, ["/axes/~1training~1epochs/1"]),
        ({"axes": {"/name": ["a"]}}, ["/axes/~1name"]),
        ({"axes": {"/training": [{}], "/training/seed": [1]}}, ["/axes/~1training~1seed"]),
        ({"axes": {RATE: [1, 1]}}, [f"/axes/{escaped(RATE)}"]),
        ({"axes": {RATE: []}}, [f"/axes/{escaped(RATE)}"]),
        ({"axes": {RATE: RANGE}}, [f"/axes/{escaped(RATE)}"]),
        ({"axes": {}}, ["/axes"]),
        ({"axes": {RATE: {"low": 1, "hi": 2}}},
         [f"/axes/{escaped(RATE)}/high", f"/axes/{escaped(RATE)}/hi"]),
        ({"axes": {RATE: {"low": 2, "high": 1}}, "method": "random", "samples": 1},
         [f"/axes/{escaped(RATE)}/high"]),
        ({"axes": {RATE: {"low": 0, "high": 1.5, "log": True}}, "method": "tpe", "samples": 1},
         [f"/axes/{escaped(RATE)}/low"]),
        ({"axes": {UNITS: {"low": 1, "high": 9, "step": 0.5}}, "method": "tpe", "samples": 1},
         [f"/axes/{escaped(UNITS)}/step"]),
        ({"axes": {RATE: {"low": 0, "high": 3e38, "step": 1e-300}}, "method": "tpe", "samples": 1},
         [f"/axes/{escaped(RATE)}/step"]),
        ({"method": "random"}, ["/samples"]),
        ({"method": "random", "samples": 3}, ["/samples"]),
        ({"samples": 3}, ["/samples"]),
        ({"parallel": 3}, ["/parallel"]),
        ({"seeds": 501}, ["/axes"]),
        ({"method": "random", "samples": 2, "seeds": 501}, ["/samples"]),
        ({"objective": {"metric": "val_mae"}}, ["/objective/metric"]),
        ({"objective": {"metric": "val_auc"}}, ["/objective/metric"]),
        ({"objective": {"metric": "val_auc", "goal": "max"}}, ["/objective/metric"]),
        ({"base": asking(), "objective": {"metric": "val_true_positives"}}, ["/objective/goal"]),
        ({"base": asking("mape")}, ["/base/training/metrics/2"]),
        ({"objective": {"metric": "test_loss"}, "pruner": {"type": "MedianPruner"}},
         ["/objective/metric"]),
        ({"pruner": {"type": "Median"}}, ["/pruner/type"]),
        ({"pruner": {"type": "MedianPruner", "n_trials": 1}}, ["/pruner/n_trials"]),
        ({"budget": {"epoch": 3}}, ["/budget/epoch"]),
        ({"axis": {}}, ["/axis"]),
        ({"base": {"recipe": "relu-raw", "overrides": {"training": {"epochs": 0}}}},
         ["/base/overrides/training/epochs"]),
        ({"base": {"recipe": "relu"}}, ["/base/recipe"]),
        ({"base": jobs.experiment().model_dump() | {"tag": 1}}, ["/base/tag"]),
        ({"base": body()["base"] | {"dataset": {"name": f"ds_{ULID()}"}}}, ["/base/dataset/name"]),
    ],
)  # fmt: skip
def test_what_is_refused_is_pointed_at_and_leaves_nothing(
    api: Api, changes: dict[str, Any], pointers: list[str]
) -> None:
    told = problem(api.client.post("/v1/sweeps", json=body(**changes)), 422)
    assert told["type"] == "/problems/spec-refused"
    assert [fault["pointer"] for fault in told["errors"]] == pointers
    assert told["detail"].startswith(f"{pointers[0]}: {told['errors'][0]['detail']}")
    assert (count(api), count(api, Sweep)) == (0, 0)


def test_a_cell_that_only_its_values_together_make_too_large_is_told(api: Api) -> None:
    axes = {"/training/batch_size": [10, 20], "/training/validation": [{"on": "none"}]}
    base = body()["base"]
    base["training"] |= {"early_stopping": {"monitor": "val_loss"}}
    told = problem(api.client.post("/v1/sweeps", json=body(base=base, axes=axes)), 422)
    [fault] = told["errors"]
    assert fault["pointer"] == "/base/training/early_stopping/monitor"
    assert '"/training/batch_size": 10' in fault["detail"]


def test_a_dry_run_stores_nothing(api: Api) -> None:
    answer = api.client.post(
        "/v1/sweeps", params={"dry_run": True}, json=body(seeds=3), headers=KEY
    )
    assert answer.status_code == 200
    told = answer.json()
    assert told["jobs"] == 6
    assert told["epochs_total"] == 6 * jobs.EPOCHS
    assert told["cells"] == [{RATE: rate} for rate in RATES]
    one = api.client.post("/v1/jobs", params={"dry_run": True}, json=body()["base"]).json()
    assert told["flops_total"] == 6 * one["flops_total"]
    assert told["memory_bytes"] == one["memory"]["total"]
    assert (count(api), count(api, Sweep)) == (0, 0)
    refused = api.client.post("/v1/sweeps", params={"dry_run": True}, json=body(axes={RATE: [-1]}))
    problem(refused, 422)


def test_the_same_request_again_is_the_same_sweep(api: Api) -> None:
    first = api.client.post("/v1/sweeps", json=body(), headers=KEY)
    again = api.client.post("/v1/sweeps", json=dict(reversed(body().items())), headers=KEY)
    assert again.status_code == first.status_code == 202
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert again.json() == first.json()
    assert (count(api), count(api, Sweep)) == (2, 1)
    for path, other in (("/v1/sweeps", body(seeds=2)), ("/v1/jobs", body()["base"])):
        told = problem(api.client.post(path, json=other, headers=KEY), 409)
        assert told["type"] == "/problems/idempotency-key-reused"


def test_more_jobs_than_may_wait_are_refused_together(keyed: Api) -> None:
    settings = keyed.settings.model_copy(update={"max_queued_jobs": 5})
    token = keyring.make(keyed, "me")
    with serving(settings) as few:
        told = problem(ask(few, token, "/v1/sweeps", "POST", json=body(seeds=3)), 429)
        assert told["type"] == "/problems/too-many-jobs"
        assert "6 more" in told["detail"]
        assert count(keyed) == 0
        assert ask(few, token, "/v1/sweeps", "POST", json=body(seeds=2)).status_code == 202


def test_a_setting_bounds_a_sweep(api: Api) -> None:
    url = api.settings.database_url
    with serving(settings_for(url, api.settings.var_dir, max_sweep_jobs=3)) as few:
        told = problem(few.client.post("/v1/sweeps", json=body(seeds=2)), 422)
        assert "2 cells with 2 seeds each are 4" in told["detail"]
        assert few.client.post("/v1/sweeps", json=body()).status_code == 202


def test_jobs_are_listed_by_their_sweep(api: Api) -> None:
    jobs.submit(api.database)
    ids = [posted(api)["id"] for _ in range(2)]
    for id_ in ids:
        listed = api.get("/v1/jobs", sweep=id_, order="asc")["data"]
        assert [job["id"] for job in listed] == [run.id for run in sweeps.runs(api.database, id_)]
        assert {job["sweep_id"] for job in listed} == {id_}
    assert len(api.get("/v1/jobs")["data"]) == 5


def test_sweeps_are_listed_a_page_at_a_time(api: Api) -> None:
    ids = [posted(api)["id"] for _ in range(5)][::-1]
    sweeps.reach_all(api.database, ids[0], {0: 0.1, 1: 0.2})
    sweeps.look(api.database)
    seen: list[dict[str, Any]] = []
    while True:
        page = api.get("/v1/sweeps", limit=2, **({"after": seen[-1]["id"]} if seen else {}))
        seen += page["data"]
        if not page["has_more"]:
            break
    assert [sweep["id"] for sweep in seen] == ids
    assert seen[0]["jobs"] == {"succeeded": 2}
    assert "cells" not in seen[0]
    assert [each["id"] for each in api.get("/v1/sweeps", status="done")["data"]] == ids[:1]


def test_a_sweep_is_done_when_its_jobs_are(api: Api) -> None:
    id_ = posted(api)["id"]
    sweeps.look(api.database)
    assert api.get(f"/v1/sweeps/{id_}")["status"] == "running"
    sweeps.reach_all(api.database, id_, {0: 0.1, 1: 0.2})
    sweeps.look(api.database)
    told = api.get(f"/v1/sweeps/{id_}")
    assert (told["status"], told["terminal"], told["reason"]) == ("done", True, None)
    assert told["finished_at"] is not None
    refused = api.refused(f"/v1/sweeps/{id_}/cancel", 409, "POST")
    assert "it is done" in refused["detail"]


def test_a_cancel_ends_all_that_has_not_ended(api: Api) -> None:
    id_ = posted(api, seeds=2)["id"]
    ended, running, *_ = sweeps.runs(api.database, id_)
    sweeps.reach(api.database, ended.id, 0.5)
    sweeps.train(api.database, running.id, 0.5)
    told = api.post(f"/v1/sweeps/{id_}/cancel", 200)
    assert told["status"] == "cancelled"
    assert told["jobs"] == {"succeeded": 1, "cancelling": 1, "cancelled": 2}
    queued = sweeps.runs(api.database, id_)[2]
    assert (
        api.get(f"/v1/jobs/{queued.id}")["transitions"][-1]["reason"] == "its sweep was cancelled"
    )
    sweeps.finish(api.database, running.id)
    assert {run.status for run in sweeps.runs(api.database, id_)} <= TERMINAL
    assert api.post(f"/v1/sweeps/{id_}/cancel", 200) == api.get(f"/v1/sweeps/{id_}")


def test_what_is_unchanged_is_not_told_again(api: Api) -> None:
    id_ = posted(api)["id"]
    run = sweeps.runs(api.database, id_)[0]
    tags = set()
    for change in (
        lambda: None,
        lambda: sweeps.train(api.database, run.id, 0.5),
        lambda: sweeps.train(api.database, run.id, *[0.5] * (jobs.EPOCHS - 1)),
        lambda: sweeps.finish(api.database, run.id),
        lambda: api.post(f"/v1/sweeps/{id_}/cancel", 200),
    ):
        change()
        tag = api.client.get(f"/v1/sweeps/{id_}").headers["etag"]
        assert tag not in tags
        tags.add(tag)
        same = api.client.get(f"/v1/sweeps/{id_}", headers={"If-None-Match": tag})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)


def test_there_is_no_sweep_of_another_name(api: Api) -> None:
    for id_ in (f"sweep_{ULID()}", "sweep_x", "x"):
        told = api.refused(f"/v1/sweeps/{id_}", 404)
        assert told["detail"] == f"There is no sweep {id_}; GET /v1/sweeps lists them."


def test_a_sweep_costs_the_same_statements_whatever_its_size(api: Api) -> None:
    asked = []
    for seeds in (1, 50):
        id_ = posted(api, seeds=seeds)["id"]
        for path in (f"/v1/sweeps/{id_}", "/v1/sweeps"):
            with looking_for(api, "SELECT") as found:
                api.get(path)
            asked.append(len(found))
    assert asked[:2] == asked[2:]
    assert max(asked) <= 6


def test_a_sweeps_jobs_are_found_by_an_index(api: Api) -> None:
    """Else each look at one would pass over all jobs that there are."""
    id_ = posted(api)["id"]
    with looking_for(api, "jobs.sweep_id") as found:
        api.get(f"/v1/sweeps/{id_}")
    assert found
    with Session(api.database.engine) as session:
        if session.get_bind().dialect.name == "postgresql":
            pytest.skip("with few rows, Postgres reads them all")
        for statement in found:
            plan = session.connection().exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statement}", tuple(id_ for _ in range(statement.count("?")))
            )
            steps = [row[3] for row in plan]
            assert any("ix_jobs_sweep_id_id" in step for step in steps), steps
            assert not [step for step in steps if step.startswith("SCAN jobs")], steps
