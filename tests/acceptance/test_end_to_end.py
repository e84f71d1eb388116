"""Whole jobs over HTTP with real trainers, on both sets of services, disturbed and undisturbed."""

import hashlib
import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from contract.store.tables import Job
from tests import jobs, processes
from tests.sites import RunningWorker, Site, site_on

# Everything that a checkpoint must carry: dropout's seeds, Adam's moments, moving averages.
EXPERIMENT: dict[str, Any] = {
    "name": "end-to-end",
    "dataset": {"name": "digits", "scaling": "unit"},
    "model": {
        "layers": [
            {"type": "Reshape", "target_shape": [28, 28, 1]},
            {"type": "Conv2D", "filters": 8, "kernel_size": 3, "activation": "relu"},
            {"type": "BatchNormalization"},
            {"type": "MaxPooling2D"},
            {"type": "Flatten"},
            {"type": "Dropout", "rate": 0.3},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ]
    },
    "training": {
        "optimizer": {"type": "Adam"},
        "loss": "categorical_crossentropy",
        "batch_size": 32,
        "epochs": 10,
        "early_stopping": {"patience": 8},
        "reduce_lr_on_plateau": {"monitor": "loss", "patience": 0, "min_delta": 0.1},
        "model_checkpoint": {"monitor": "val_accuracy"},
        "class_weight": "balanced",
    },
}


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("embedded")
    with site_on(f"sqlite:///{folder / 'plateau.db'}", "memory://", folder) as site:
        yield site


@pytest.fixture(scope="module")
def api(embedded: Site) -> Iterator[httpx.Client]:
    with embedded.api() as client:
        yield client


@pytest.fixture(scope="module")
def worker(embedded: Site) -> Iterator[RunningWorker]:
    with embedded.worker() as worker:
        yield worker


@pytest.fixture(scope="module")
def undisturbed(api: httpx.Client, worker: RunningWorker) -> dict[str, Any]:
    """The curves of an experiment that nothing happened to, on SQLite and the in-process broker."""
    curves: dict[str, Any] = ended(api, post(api))["curves"]
    assert worker.process.poll() is None
    return curves


@pytest.mark.usefixtures("undisturbed")
def test_what_a_worker_says_is_meant(worker: RunningWorker) -> None:
    """Nothing of its libraries' that a reader would take for a fault."""
    told = worker.log.read_text()
    for noise in ("absl", "cudart", "SecurityWarning", "No hostname was supplied"):
        assert noise not in told


def post(client: httpx.Client, **changes: Any) -> str:
    answer = client.post("/v1/jobs", json=EXPERIMENT | changes)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def ended(client: httpx.Client, job_id: str, status: str = "succeeded") -> dict[str, Any]:
    """The job's results, once it has ended."""

    def terminal() -> bool:
        return bool(client.get(f"/v1/jobs/{job_id}").json()["terminal"])

    processes.wait_for(f"{job_id} to end", terminal, seconds=300)
    results: dict[str, Any] = client.get(f"/v1/jobs/{job_id}/results").json()
    assert results["status"] == status, client.get(f"/v1/jobs/{job_id}").json()
    return results


def exact(curves: dict[str, Any]) -> dict[str, list[str]]:
    """Bit for bit, without the one column that is a clock's."""
    return {
        name: [float(value).hex() for value in values]
        for name, values in curves.items()
        if name != "seconds"
    }


def test_the_other_services_give_the_same_curve(
    undisturbed: dict[str, Any], postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        site = stack.enter_context(site_on(postgres_url, redis_url, tmp_path))
        client = stack.enter_context(site.api())
        stack.enter_context(site.worker(PLATEAU_SLOTS="1"))
        curves = ended(client, post(client))["curves"]
    assert exact(curves) == exact(undisturbed)


def test_two_kills_leave_no_trace_in_the_curve(
    undisturbed: dict[str, Any], embedded: Site, api: httpx.Client, worker: RunningWorker
) -> None:
    job_id = post(api)
    for attempt, epoch in ((1, 2), (2, 6)):
        embedded.wait_for_epoch(job_id, epoch)
        os.kill(worker.trainer_pid(job_id), signal.SIGKILL)
        embedded.wait_for_attempt(job_id, attempt + 1)
    curves = ended(api, job_id)["curves"]
    assert embedded.job(job_id).attempts == 3
    assert exact(curves) == exact(undisturbed)


def test_a_worker_that_stops_in_mid_epoch_leaves_no_trace_either(
    undisturbed: dict[str, Any], embedded: Site, api: httpx.Client, worker: RunningWorker
) -> None:
    job_id = post(api)
    for attempt, epoch in ((1, 1), (2, 4)):
        embedded.wait_for_epoch(job_id, epoch)
        # The trainer itself is told: it saves, and the job goes on elsewhere.
        os.kill(worker.trainer_pid(job_id), signal.SIGTERM)
        embedded.wait_for_attempt(job_id, attempt + 1)

    curves = ended(api, job_id)["curves"]
    assert embedded.job(job_id).crashes == 0
    assert exact(curves) == exact(undisturbed)


@pytest.mark.parametrize(("lacks", "goes_on"), [("signals", True), ("sizes", False)])
def test_a_checkpoint_of_another_version_costs_no_job(
    lacks: str, goes_on: bool, tmp_path: Path
) -> None:
    """It is gone on from where it says all that a run follows from."""
    with site_on(f"sqlite:///{tmp_path}/plateau.db", "memory://", tmp_path) as site:
        with site.worker(PLATEAU_SLOTS="1") as old:
            alone = site.submit(EXPERIMENT)
            site.wait_for_end(alone)
            job_id = site.submit(EXPERIMENT)
            site.wait_for_epoch(job_id, 3)
            assert old.terminate() == 0
        rewrite_checkpoints(site, job_id, lacks)
        with site.worker(PLATEAU_SLOTS="1"):
            [job] = site.wait_for_end(job_id)
        reasons = [e.data.get("reason", "") for e in jobs.events(site.database, job_id)]
        assert job.status == "succeeded"
        began_again = [r for r in reasons if "another version's" in r and "from its start" in r]
        assert bool(began_again) is not goes_on
        assert site.curve(job_id) == site.curve(alone)


def rewrite_checkpoints(site: Site, job_id: str, lacks: str) -> None:
    """As a version wrote them that had less in the header, each with its right hash."""

    def older(stored: dict[str, Any]) -> dict[str, Any]:
        file = site.artifacts / stored["key"]
        with np.load(file) as whole:
            arrays = dict(whole)
        header = json.loads(str(arrays["header"]))
        del header[lacks]
        np.savez(file, **arrays | {"header": np.array(json.dumps(header))})
        before = stored.get("before")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        return {**stored, "sha256": digest, "before": before and older(before)}

    with site.database.writing() as session:
        job = session.get_one(Job, job_id)
        assert job.checkpoint is not None
        job.checkpoint = older(job.checkpoint)


@pytest.mark.usefixtures("worker")
def test_a_running_job_is_cancelled_at_a_step_boundary(api: httpx.Client, embedded: Site) -> None:
    long = EXPERIMENT["training"] | {"epochs": 1000, "early_stopping": None}
    job_id = post(api, training=long)
    embedded.wait_for_epoch(job_id, 1)
    assert api.post(f"/v1/jobs/{job_id}/cancel").json()["status"] == "cancelling"
    results = ended(api, job_id, "cancelled")
    assert len(results["curves"]["epoch"]) >= 1


@pytest.mark.usefixtures("worker")
def test_a_dataset_that_cannot_be_had_is_explained(api: httpx.Client) -> None:
    job_id = post(api, dataset={"name": "fashion_mnist", "scaling": "unit"})
    ended(api, job_id, "failed")
    error = api.get(f"/v1/jobs/{job_id}").json()["error"]
    assert error["code"] == "dataset_unavailable"
    assert "fashion_mnist.npz" in error["message"] + error["hint"]


@pytest.mark.usefixtures("worker")
def test_the_model_loads_in_keras(api: httpx.Client, tmp_path: Path) -> None:
    """And is that of the best epoch."""
    short = EXPERIMENT["training"] | {"epochs": 5, "early_stopping": None}
    job_id = post(api, training=short)
    results = ended(api, job_id)
    metrics, accuracies = results["metrics"], results["curves"]["val_accuracy"]
    assert results["artifacts"]["model"]["epoch"] == 1 + accuracies.index(max(accuracies))
    file = tmp_path / "model.keras"
    file.write_bytes(api.get(f"/v1/jobs/{job_id}/model").content)
    assert metrics["test_accuracy"] == pytest.approx(accuracy(file), abs=1e-6)


def accuracy(file: Path) -> float:
    """By plain Keras, on the digits scaled as the experiment says."""
    import keras
    import numpy as np

    from contract.experiment.datasets import CATALOGUE, Dataset
    from worker.training.data.load import load

    data = load(Dataset(name="digits"), CATALOGUE["digits"], file.parent)
    outputs = keras.models.load_model(file).predict(data.x_test / np.float32(255), verbose=0)
    return float((outputs.argmax(axis=1) == data.y_test).mean())
