"""The seven recipes on real MNIST, over HTTP: what was asked, and what the answers promise."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import processes
from tests.sites import ROOT, site_on

# Lowest and highest test accuracy; plain Keras measured 0.940, 0.420, 0.935, 0.897, 0.980, 0.984.
BOUNDS = {
    "sigmoid-raw": (0.92, 1.0),
    "relu-raw": (0.0, 0.65),
    "relu-unit": (0.925, 1.0),
    "sigmoid-unit": (0.87, 0.92),
    "relu-300-clip": (0.975, 1.0),
    "keras-mnist-mlp": (0.98, 1.0),
    "relu-output": (0.05, 0.15),
}


@pytest.fixture(scope="module")
def answers(
    mnist_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, dict[str, Any]]]:
    """Name of the recipe -> {job, results, text of the curves}; all seven are POSTed at once."""
    folder = tmp_path_factory.mktemp("question")
    url = f"sqlite:///{folder / 'plateau.db'}"
    environment = {"PLATEAU_DATA_DIR": str(mnist_dir), "PLATEAU_LEASE_SECONDS": "60"}
    with (
        site_on(url, "memory://", folder, **environment) as site,
        site.api() as client,
        site.worker(),
    ):
        jobs = {
            name: client.post(
                "/v1/jobs",
                content=(ROOT / f"recipes/{name}.json").read_bytes(),
                headers={"Content-Type": "application/json"},
            )
            for name in BOUNDS
        }
        paths = {name: answer.headers["location"] for name, answer in jobs.items()}
        processes.wait_for(
            "all seven to end",
            lambda: all(client.get(path).json()["terminal"] for path in paths.values()),
            seconds=1800,
        )
        yield {
            name: {
                "job": client.get(path).json(),
                "results": client.get(f"{path}/results").json(),
                "curves": client.get(f"{path}/curves").text,
            }
            for name, path in paths.items()
        }


@pytest.mark.parametrize("name", BOUNDS)
def test_a_recipe_reaches_what_it_should(name: str, answers: dict[str, dict[str, Any]]) -> None:
    job = answers[name]["job"]
    assert job["status"] == "succeeded", job["error"]
    low, high = BOUNDS[name]
    assert low <= job["metrics"]["test_accuracy"] <= high
    matrix = answers[name]["results"]["confusion_matrix"]
    assert sum(map(sum, matrix)) == 10_000
    hits = sum(matrix[digit][digit] for digit in range(10))
    assert hits / 10_000 == pytest.approx(job["metrics"]["test_accuracy"])


def test_a_loss_of_nan_is_valid_json(answers: dict[str, dict[str, Any]]) -> None:
    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is not JSON")

    curves = json.loads(answers["relu-output"]["curves"], parse_constant=refuse)["curves"]
    assert curves["loss"][-1] == "NaN"
    assert answers["relu-output"]["job"]["verdict"] == "unhealthy"
    assert "NaN" in answers["relu-output"]["job"]["headline"]
