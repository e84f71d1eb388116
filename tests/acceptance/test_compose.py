"""docker-compose.yml without Docker: its form, and its services run as processes on loopback."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.settings import Settings
from tests import processes, services
from tests.acceptance import compose
from tests.acceptance.composed import Composed
from tests.pages import page

SECRETS = ("POSTGRES_PASSWORD", "REDIS_PASSWORD")
VARIABLES = {
    "POSTGRES_PASSWORD": services.POSTGRES_PASSWORD,
    "REDIS_PASSWORD": "b7c1",
    "WORKER_SLOTS": "1",
}
# python:3.11.15-slim-bookworm, postgres:18.4 (which has two parts), with a digest or not.
EXACT = re.compile(r"(postgres:\d+\.\d+|\w+:\d+\.\d+\.\d+)(-[\w.-]+)?(@sha256:[0-9a-f]{64})?")
# A trainer that has loaded it and trains nothing.
TENSORFLOW_BYTES = 700_000_000
OWN = ("migrate", "api", "worker", "worker-gpu")
VAR_DIR = "/var/lib/plateau"
# Of settings that are no numbers: another value than by default.
OTHERS = {
    "artifacts_url": "s3://bucket/plateau",
    "trainer": "tests.fake_trainer",
    "log_level": "ERROR",
    "log_format": "json",
}
JOB = {
    "name": "composed",
    "dataset": {"name": "digits", "scaling": "unit", "limit": 500},
    "model": {
        "layers": [{"type": "Flatten"}, {"type": "Dense", "units": 10, "activation": "softmax"}]
    },
    "training": {
        "optimizer": {"type": "SGD", "learning_rate": 0.1},
        "loss": "categorical_crossentropy",
        "batch_size": 50,
        "epochs": 2,
        "seed": 0,
        "validation": {"on": "test"},
    },
    "device": "cpu",
}


def test_it_is_a_compose_file() -> None:
    """By the public compose schema, which check-jsonschema carries."""
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    file = str(compose.ROOT / "docker-compose.yml")
    checked = subprocess.run([*check, file], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_have_no_default(secret: str) -> None:
    others = {name: value for name, value in VARIABLES.items() if name != secret}
    with pytest.raises(compose.MissingVariable, match=secret):
        compose.services(others)


def test_secrets_are_in_the_example_and_empty() -> None:
    lines = (compose.ROOT / ".env.example").read_text().splitlines()
    assert {f"{name}=" for name in SECRETS} <= set(lines)


@pytest.mark.parametrize("name", OWN)
def test_a_service_runs_a_module_that_its_image_holds(name: str) -> None:
    service = compose.services(VARIABLES)[name]
    stage = compose.stages()[service["build"]["target"]]
    command = service.get("command", stage.command)
    for python, option, module in (command, stage.healthcheck[:3]):
        assert python == "python"
        if option == "-m":
            package = module.split(".")[0]
            inside = "__main__.py" if package == module else f"{module.split('.')[1]}.py"
            assert package in stage.folders
            assert (compose.ROOT / package / inside).is_file()


@pytest.mark.parametrize("name", OWN)
def test_a_service_is_unprivileged(name: str) -> None:
    service = compose.services(VARIABLES)[name]
    assert service["cap_drop"] == ["ALL"]
    assert compose.stages()[service["build"]["target"]].last("USER") == "plateau"


def test_images_have_exact_versions() -> None:
    """A tag of fewer parts comes to mean another image; those built here have none."""
    images = [s["image"] for s in compose.services(VARIABLES).values() if "build" not in s]
    images += [told for told, built in compose.bases().items() if not built]
    assert len(images) >= 3
    for image in images:
        assert EXACT.fullmatch(image), f"{image}: expected NAME:X.Y or NAME:X.Y.Z, maybe a digest"


@pytest.mark.parametrize("name", ["redis", "postgres", *OWN])
def test_a_service_is_bounded(name: str) -> None:
    service = compose.services(VARIABLES)[name]
    assert 0 < service["pids_limit"] <= 4096
    assert size(service["mem_limit"]) > 0
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
    checked = service.get("healthcheck") or compose.stages()[service["build"]["target"]].healthcheck
    assert checked


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("redis", "REDIS_MEMORY"),
        ("postgres", "POSTGRES_MEMORY"),
        ("api", "API_MEMORY"),
        ("worker", "WORKER_MEMORY"),
        ("worker-gpu", "GPU_WORKER_MEMORY"),
    ],
)
def test_how_much_memory_is_the_operators_to_say(name: str, variable: str) -> None:
    assert compose.services(VARIABLES | {variable: "77g"})[name]["mem_limit"] == "77g"
    default = compose.services(VARIABLES)[name]["mem_limit"]
    assert f"#{variable}={default}\n" in (compose.ROOT / ".env.example").read_text()


def test_a_worker_has_memory_for_as_many_runs_as_it_has_slots() -> None:
    secrets = {name: VARIABLES[name] for name in SECRETS}
    worker = compose.services(secrets)["worker"]
    slots = int(worker["environment"]["PLATEAU_SLOTS"])
    assert slots > 0, "one per core would need memory for as many"
    assert size(worker["mem_limit"]) >= slots * (Settings().max_memory_bytes + TENSORFLOW_BYTES)


def size(told: str) -> int:
    """Bytes, of what Docker calls 256m or 2g."""
    return int(told[:-1]) << {"m": 20, "g": 30}[told[-1]]


def test_only_the_api_is_published_and_on_this_machine_alone() -> None:
    published = {
        name: s["ports"] for name, s in compose.services(VARIABLES).items() if "ports" in s
    }
    assert published == {"api": ["127.0.0.1:8000:8000"]}


@pytest.mark.parametrize(("variables", "auth"), [({}, "keys"), ({"API_AUTH": "open"}, "open")])
def test_the_api_wants_keys_unless_told(variables: dict[str, str], auth: str) -> None:
    """Within its container it listens on every address."""
    environment = compose.services(VARIABLES | variables)["api"]["environment"]
    assert (environment["PLATEAU_HOST"], environment["PLATEAU_AUTH"]) == ("0.0.0.0", auth)


def reaching(name: str, variables: dict[str, str]) -> Settings:
    """What the service `name` makes of the variables in .env."""
    environment = compose.services(VARIABLES | variables)[name]["environment"]
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in environment.items():
            patch.setenv(variable, str(value))
        return Settings()


def set_by_the_file() -> set[str]:
    """By what docs/settings.md says."""
    told = re.search(
        r"those that docker-compose.yml sets itself:\s+(.*?)\.\s",
        page("docs/settings.md"),
        re.DOTALL,
    )
    assert told is not None
    return {name.lower() for name in re.findall(r"PLATEAU_([A-Z_]+)", told[1])}


@pytest.mark.parametrize("name", OWN)
def test_the_containers_obey_the_settings(name: str) -> None:
    """All but those that docs/settings.md names; unset ones are as everywhere."""
    unset, plain = reaching(name, {}), Settings()
    for field, info in Settings.model_fields.items():
        default = getattr(plain, field)
        if field in set_by_the_file():
            continue
        if field != "artifacts_url":
            fixed = field == "queue_watch_seconds"  # it follows from the broker
            assert fixed or getattr(unset, field) == default, field
        other: Any = OTHERS.get(field) or (default + 1 if info.annotation in (int, float) else "")
        found = getattr(reaching(name, {f"PLATEAU_{field.upper()}": str(other)}), field)
        assert found == other, f"{field} does not reach {name}"


@pytest.mark.parametrize("name", OWN)
def test_what_the_file_sets_itself_is_named(name: str) -> None:
    for field in set_by_the_file():
        variable = f"PLATEAU_{field.upper()}"
        environment = compose.services(VARIABLES | {variable: "other"})[name]["environment"]
        assert environment.get(variable) != "other"


def test_redis_is_a_version_without_known_remote_code_execution() -> None:
    """CVE-2025-49844 is repaired from 8.2.2 on."""
    image = compose.services(VARIABLES)["redis"]["image"]
    version = tuple(int(part) for part in image.removeprefix("redis:").split("."))
    assert version >= (8, 2, 2)


def test_the_api_image_lacks_tensorflow() -> None:
    requirements = (compose.ROOT / "requirements" / "api.txt").read_text()
    assert "fastapi==" in requirements
    assert "tensorflow" not in requirements
    assert "keras" not in requirements


@pytest.fixture
def api_port() -> int:
    return services.free_port()


@pytest.fixture
def composed(tmp_path: Path, postgres_server: services.Server, api_port: int) -> Iterator[Composed]:
    """Redis by the compose file's own command, and an empty Postgres; nothing else runs yet."""
    redis_folder = tmp_path / "redis"
    redis_folder.mkdir()
    command = compose.services(VARIABLES)["redis"]["command"]
    with (
        services.running_redis(redis_folder, command, VARIABLES["REDIS_PASSWORD"]) as redis_server,
        services.fresh_database(postgres_server, "plateau"),
    ):
        addresses = {
            "8000": str(api_port),
            "redis:6379": f"127.0.0.1:{redis_server.port}",
            "postgres:5432": f"127.0.0.1:{postgres_server.port}",
            VAR_DIR: str(tmp_path / "var"),
            "0.0.0.0": "127.0.0.1",
        }
        yield Composed(tmp_path, VARIABLES, addresses)


def test_a_job_runs_through_all_services(composed: Composed, api_port: int) -> None:
    order = [name for name in compose.in_order(composed.services) if name in OWN]
    assert order == ["migrate", "api", "worker"]
    with ExitStack() as stack:
        with composed.running("migrate") as migrate:
            assert migrate.wait(60) == 0
        running = {name: stack.enter_context(composed.running(name)) for name in ("api", "worker")}
        for name, process in running.items():
            composed.wait_until_healthy(name, process)
        made = composed.execute("api", "python", "-m", "api.keys", "create", "--owner", "me")
        run_job(f"http://127.0.0.1:{api_port}", made.strip())
        ended = {name: composed.stop(name, process) for name, process in running.items()}
        assert ended == {"api": 0, "worker": 0}


def run_job(address: str, token: str) -> None:
    assert httpx.post(f"{address}/v1/jobs", json=JOB).status_code == 401
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=address, headers=headers, timeout=10) as client:
        answer = client.post("/v1/jobs", json=JOB)
        assert answer.status_code == 202, answer.text
        job = f"/v1/jobs/{answer.json()['id']}"
        processes.wait_for(
            "the job to end", lambda: bool(client.get(job).json()["terminal"]), seconds=120
        )
        ended = client.get(job).json()
        assert ended["status"] == "succeeded", json.dumps(ended["error"])
        results = client.get(f"{job}/results").json()
        assert results["curves"]["epoch"] == [1, 2]
        assert results["metrics"]["test_accuracy"] > 0.5
