"""Clients that two generators make of the API's description, used against the API it describes.

And two linters: what they say of the description is nothing, but for what is named here.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import jobs, keyring, sweeps
from tests.served import Api, serving, settings_for

BIN = Path(sys.executable).parent
# openapi-python-client has names of its own for bytes, whatever they are.
BYTES = ("image/png", "image/svg+xml", "text/csv", "application/x-npz", "application/zip")
# It is used, where this linter does not look: as what any member of an object may be.
PASSED_OVER = "Unused model: Range"

HTTPX = """
import json, sys
from plateau_client import AuthenticatedClient
from plateau_client.api.jobs import create_job, get_job
from plateau_client.api.results import get_curves_csv
from plateau_client.api.sweeps import create_sweep, get_sweep
from plateau_client.models import FromRecipe, NewSweep

url, token, spec, sweep = sys.argv[1], sys.argv[2], *map(json.loads, sys.argv[3:])
client = AuthenticatedClient(base_url=url, token=token)
job = create_job.sync(client=client, body=FromRecipe.from_dict(spec))
again = get_job.sync(job.id, client=client, wait=0.1, if_none_match='"x"')
made = create_sweep.sync(client=client, body=NewSweep.from_dict(sweep))
found = get_sweep.sync(made.id, client=client, wait=0.1, if_none_match='"x"')
known = get_job.sync_detailed(job.id, client=client)
tag = known.headers["etag"]
unchanged = get_job.sync_detailed(job.id, client=client, if_none_match=tag).status_code
status = again.status.value
print(json.dumps([job.id, again.id, status, made.id, found.id, len(found.cells), unchanged]))
"""
URLLIB3 = """
import json, sys
import plateau_client as plateau

url, token, spec, sweep = sys.argv[1], sys.argv[2], *map(json.loads, sys.argv[3:])
with plateau.ApiClient(plateau.Configuration(host=url, access_token=token)) as client:
    jobs, sweeps = plateau.JobsApi(client), plateau.SweepsApi(client)
    job = jobs.create_job(plateau.Posted.from_dict(spec))
    again = jobs.get_job(job.id, wait=0.1, if_none_match='"x"').actual_instance
    made = sweeps.create_sweep(plateau.NewSweep.from_dict(sweep))
    found = sweeps.get_sweep(made.id, wait=0.1, if_none_match='"x"')
    tag = jobs.get_job_with_http_info(job.id).headers["etag"]
    try:
        unchanged = jobs.get_job_with_http_info(job.id, if_none_match=tag).status_code
    except plateau.ApiException as error:
        unchanged = error.status
print(json.dumps([job.id, again.id, again.status, made.id, found.id, len(found.cells), unchanged]))
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("clients")
    url = f"sqlite:///{folder / 'plateau.db'}"
    with serving(settings_for(url, folder, auth="keys")) as api:
        yield api


@pytest.fixture(scope="module")
def description(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As it is served."""
    file = tmp_path_factory.mktemp("description") / "openapi.json"
    file.write_bytes(api.client.get("/openapi.json").content)
    return file


def run(command: str, *arguments: object) -> str:
    """What one of the tools of this environment says; it must succeed."""
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    ran = subprocess.run(
        [BIN / command, *map(str, arguments)],
        check=False,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def use(api: Api, folder: Path, client: str) -> None:
    """Let the program `client`, in `folder`, make a job and a sweep, and look at both."""
    owner = "me"
    spec = {"recipe": "relu-unit", "overrides": {"dataset": {"name": "digits"}}}
    told = subprocess.run(
        [
            *(sys.executable, "-c", client, str(api.client.base_url).rstrip("/")),
            *(keyring.make(api, owner), json.dumps(spec), json.dumps(sweeps.body())),
        ],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    made: list[Any] = json.loads(told.stdout)
    job, again, status, sweep, found, cells, unchanged = made
    assert (again, status, found, cells, unchanged) == (job, "queued", sweep, 2, 304)
    assert jobs.stored(api.database, job).owner == owner
    assert len(sweeps.runs(api.database, sweep)) == 2


def names(api: Api) -> list[str]:
    paths = api.get("/openapi.json")["paths"]
    return [o["operationId"] for methods in paths.values() for o in methods.values()]


def test_openapi_python_client(api: Api, description: Path, tmp_path: Path) -> None:
    configuration = tmp_path / "configuration.json"
    overrides = dict.fromkeys(BYTES, "application/octet-stream")
    configuration.write_text(json.dumps({"content_type_overrides": overrides, "post_hooks": []}))
    made = tmp_path / "plateau_client"
    run(
        *("openapi-python-client", "generate", "--fail-on-warning", "--meta", "none"),
        *("--path", description, "--output-path", made, "--config", configuration),
    )
    operations = [file for file in made.glob("api/*/*.py") if file.stem != "__init__"]
    assert sorted(file.stem for file in operations) == sorted(names(api)), "a module for each"
    use(api, tmp_path, HTTPX)


def test_openapi_generator(api: Api, description: Path, tmp_path: Path) -> None:
    run(
        *("openapi-generator-cli", "generate", "--generator-name", "python"),
        *("--input-spec", description, "--output", tmp_path, "--package-name", "plateau_client"),
    )
    use(api, tmp_path, URLLIB3)


def test_the_description_is_valid(description: Path) -> None:
    assert run("openapi-spec-validator", description).strip().endswith("OK")


def test_a_linter_recommends_nothing(description: Path) -> None:
    said = run("openapi-generator-cli", "validate", "--recommend", "--input-spec", description)
    found = [line.strip("\t -") for line in said.splitlines() if line.startswith("\t- ")]
    assert found == [PASSED_OVER], said
    assert "Range" in json.loads(description.read_bytes())["components"]["schemas"]


def test_what_a_client_needs_to_begin(api: Api) -> None:
    told = api.get("/openapi.json")
    assert [server["url"] for server in told["servers"]] == ["/"]
    operations = [o for methods in told["paths"].values() for o in methods.values()]
    schemes = told["components"]["securitySchemes"]
    assert [each["scheme"] for each in schemes.values()] == ["bearer"]
    public = {o["operationId"] for o in operations if "security" not in o}
    assert public == {"get_health", "get_readiness", "get_service"}
    for operation in operations:
        for parameter in operation.get("parameters", ()):
            assert parameter["in"] != "header" or parameter["schema"]["type"] != "array"
