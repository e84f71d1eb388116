"""What can be run, on what, by whom, and whether the service is ready, over HTTP."""

from pathlib import Path

from sqlalchemy import text

from api.jobs.recipes import DESCRIPTIONS
from contract.experiment.datasets import CATALOGUE
from contract.experiment.spec import Experiment
from migrations.upgrade import upgrade
from tests import jobs
from tests.integration.api.jobs.test_jobs import add_worker
from tests.served import Api, problem, serving, settings_for


def test_recipes_are_listed_and_given_bare(api: Api) -> None:
    page = api.get("/v1/recipes")
    names = {recipe["name"] for recipe in page["data"]}
    assert names > {
        "sigmoid-raw", "relu-raw", "relu-unit", "sigmoid-unit", "relu-300-clip",
        "keras-mnist-mlp", "relu-output", "keras-addition-rnn",
    }  # fmt: skip
    assert names == set(DESCRIPTIONS)
    for recipe in page["data"]:
        assert recipe["description"] == DESCRIPTIONS[recipe["name"]]
        bare = api.get(recipe["url"])
        assert bare == recipe["spec"]
        assert Experiment.model_validate(bare).name == recipe["name"]


def test_a_recipe_that_does_not_exist(api: Api) -> None:
    assert "relu-raw" in api.refused("/v1/recipes/nothing", 404)["detail"]
    for name in ("..%2F..%2Fpyproject", "..%5Cpyproject", "%00"):
        api.refused(f"/v1/recipes/{name}", 404)


def test_datasets_say_whether_their_file_is_there(api: Api) -> None:
    folder = api.settings.data_dir
    folder.mkdir(exist_ok=True)
    (folder / "mnist.npz").touch()
    found = {dataset["name"]: dataset for dataset in api.get("/v1/datasets")["data"]}
    assert set(found) == set(CATALOGUE)
    assert found["mnist"]["file_present"] is True
    assert found["cifar10"]["file_present"] is False
    assert found["digits"]["file_present"] is None
    assert found["cifar10"]["shape"] == [32, 32, 3]
    assert found["diabetes"]["classes"] is None


def test_workers_are_listed_with_what_they_do(api: Api) -> None:
    idle = add_worker(api, 1, "cpu", "any", slots=2)
    silent = add_worker(api, 2, "gpu", silent=api.settings.lease_seconds + 1)
    busy = add_worker(api, 3, "cpu", "any")
    # It died before the clock was set back.
    ahead = add_worker(api, 4, "cpu", silent=-3 * 3600)
    assert jobs.claim(api.database, jobs.submit(api.database), worker=busy)
    told = [
        (worker["id"], worker["alive"], worker["busy"], worker["slots"])
        for worker in api.get("/v1/workers")["data"]
    ]
    assert told[0] == (ahead, False, 0, 1)
    assert told[1:] == [(busy, True, 1, 1), (silent, False, 0, 1), (idle, True, 0, 2)]


def test_workers_come_in_pages(api: Api) -> None:
    ids = [add_worker(api, number, "cpu") for number in range(3)]
    first = api.get("/v1/workers", limit=2)
    rest = api.get("/v1/workers", limit=2, after=first["data"][-1]["id"])
    assert [worker["id"] for worker in first["data"] + rest["data"]] == ids[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)


def test_a_migrated_service_is_ready(api: Api) -> None:
    assert api.get("/readyz")["broker"] == "embedded"
    assert api.get("/healthz") == {"status": "ok"}


def test_a_service_without_its_tables_says_so(database_url: str, tmp_path: Path) -> None:
    with serving(settings_for(database_url, tmp_path), migrated=False) as api:
        assert "python -m migrations" in api.refused("/readyz", 503)["detail"]
        assert api.get("/healthz") == {"status": "ok"}
        upgrade(database_url)
        assert api.get("/readyz")["status"] == "ready"


def test_an_older_schema_is_not_ready(sqlite_url: str, tmp_path: Path) -> None:
    with serving(settings_for(sqlite_url, tmp_path)) as api:
        with api.database.writing() as session:
            session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
        told = api.refused("/readyz", 503)
        assert "0000" in told["detail"]
        assert told["type"] == "/problems/unavailable"


def test_a_database_that_is_away(tmp_path: Path) -> None:
    url = "postgresql+psycopg://plateau@127.0.0.1:1/plateau"
    with serving(settings_for(url, tmp_path), migrated=False) as api:
        assert "does not answer" in api.refused("/readyz", 503)["detail"]
        answer = api.client.get("/v1/jobs")
        assert problem(answer, 503)["type"] == "/problems/unavailable"
        assert int(answer.headers["retry-after"]) > 0
        assert api.get("/healthz") == {"status": "ok"}
