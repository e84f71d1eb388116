"""Own data from the upload to the results, over HTTP and through a real worker."""

import io
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from contract.experiment.datasets import CATALOGUE, Dataset, Task, Upload
from contract.experiment.spec import Experiment
from contract.store.artifacts import ArtifactStore
from contract.store.documents import read
from tests import jobs, uploaded
from tests.acceptance.test_end_to_end import ended
from tests.acceptance.test_training import NO_FILES, Recorder
from tests.acceptance.test_uploads import SPECS, task_of
from tests.served import serving, settings_for
from tests.sites import Site, site_on
from worker.training.data.load import load
from worker.training.hooks import Finished
from worker.training.program.cache import Programs
from worker.training.run import train

CSV, NPZ = "text/csv", "application/x-npz"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("own-data")
    with site_on(f"sqlite:///{folder / 'plateau.db'}", "memory://", folder) as site:
        yield site


@pytest.fixture(scope="module")
def api(site: Site) -> Iterator[httpx.Client]:
    with site.api() as client, site.worker():
        yield client


def npz(task: Task) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **uploaded.arrays(task))
    return file.getvalue()


def csv(task: Task) -> tuple[bytes, list[str]]:
    """A table of all examples, and the names of its label columns."""
    data = uploaded.arrays(task)
    y = np.concatenate([data["y_train"], data["y_test"]])
    y = y.reshape(len(y), -1)
    x = np.concatenate([data["x_train"], data["x_test"]])
    labels = [f"label {n}" for n in range(y.shape[1])]
    names = [*labels, *(f"x{n}" for n in range(x.shape[1]))]
    cells = np.hstack([y.astype(object), x.astype(object)])
    lines = [",".join(names), *(",".join(map(str, row)) for row in cells)]
    return "\n".join(lines).encode(), labels


def sent(client: httpx.Client, task: Task, media: str) -> dict[str, Any]:
    content, label = csv(task) if media == CSV else (npz(task), [])
    answer = client.post(
        "/v1/datasets",
        params={"name": task, "label": label},
        content=content,
        headers={"Content-Type": media},
    )
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def body(name: str, dataset: dict[str, Any]) -> dict[str, Any]:
    """`SPECS[name]` on the uploaded dataset."""
    spec = SPECS[name].model_dump(mode="json", exclude_unset=True)
    return spec | {"dataset": spec["dataset"] | {"name": dataset["id"]}}


@pytest.mark.parametrize("media", [CSV, NPZ])
@pytest.mark.parametrize("name", ["classes", "labels", "targets"])
def test_from_a_file_to_results(api: httpx.Client, name: str, media: str) -> None:
    task = task_of(SPECS[name])
    dataset = sent(api, task, media)
    assert (dataset["task"], dataset["report"]["guessed"]) == (task, True)
    answer = api.post("/v1/jobs", json=body(name, dataset))
    assert answer.status_code == 202, answer.text
    results = ended(api, answer.json()["id"])
    assert len(results["curves"]["loss"]) == SPECS[name].training.epochs
    if task == "regression":
        assert results["metrics"].keys() >= {"test_mae", "test_r2"}
    else:
        assert 0.4 < results["metrics"]["test_accuracy"] <= 1
    if task == "classification":
        counts = [sum(row) for row in results["confusion_matrix"]]
        assert counts == dataset["class_counts"]["test"]


def regression(api: httpx.Client, data: dict[str, Any], epochs: int, **training: Any) -> Any:
    """Results of a run on `data`, through a layer of 32."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **data)
    sent_as = {"Content-Type": NPZ}
    told = api.post("/v1/datasets", params={"name": "made"}, content=file.getvalue(),
                    headers=sent_as).json()  # fmt: skip
    assert told["task"] == "regression", told
    targets = data["y_train"].shape[1]
    layers = [{"type": "Flatten"}, {"type": "Dense", "units": 32, "activation": "relu"},
              {"type": "Dense", "units": targets, "activation": "sigmoid"}]  # fmt: skip
    settings = {"optimizer": {"type": "Adam"}, "loss": "mse", "epochs": epochs, **training}
    job = {"name": "made", "dataset": {"name": told["id"], "scaling": "unit"},
           "model": {"layers": layers}, "training": settings}  # fmt: skip
    answer = api.post("/v1/jobs", json=job)
    assert answer.status_code == 202, answer.text
    return ended(api, answer.json()["id"])


def test_an_autoencoder_has_an_r2_and_a_verdict(api: httpx.Client) -> None:
    """Its targets are its inputs, of which some are blank in all pictures."""
    digits = load(Dataset(name="digits"), CATALOGUE["digits"], NO_FILES)
    parts = {"train": digits.x_train, "test": digits.x_test}
    data = {f"x_{name}": x for name, x in parts.items()}
    data |= {f"y_{name}": (x / 255).astype(np.float32).reshape(len(x), -1)
             for name, x in parts.items()}  # fmt: skip
    assert (data["y_train"].min(axis=0) == data["y_train"].max(axis=0)).any()
    results = regression(api, data, 20, metrics=["binary_crossentropy", "root_mean_squared_error"])
    assert results["verdict"] in ("healthy", "unhealthy")
    assert 0.4 < results["metrics"]["test_r2"] < 1
    assert results["headline"].startswith(f"R2 {results['metrics']['test_r2']:.3g} on test")
    for name in ("r2", "val_r2", "binary_crossentropy", "val_root_mean_squared_error"):
        assert all(isinstance(value, float) for value in results["curves"][name]), name


def test_where_no_target_changes_there_is_no_r2(api: httpx.Client) -> None:
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    y = np.full((60, 2), 0.3, np.float32)
    y[:40, 1] = x[:40, 0]  # changes in training, and not in the test part
    data = {"x_train": x[:40], "x_test": x[40:], "y_train": y[:40], "y_test": y[40:]}
    results = regression(api, data, 3)
    assert results["curves"]["r2"][-1] is not None
    assert not {"val_r2"} & results["curves"].keys()
    assert not {"test_r2"} & results["metrics"].keys()
    assert results["metrics"]["train_r2"] < 1
    assert results["verdict"] is not None


def test_results_outlive_their_dataset(api: httpx.Client) -> None:
    dataset = sent(api, "classification", NPZ)
    job = api.post("/v1/jobs", json=body("classes", dataset)).json()
    results = ended(api, job["id"])
    assert api.delete(dataset["urls"]["self"]).status_code == 204
    assert api.get(job["urls"]["results"]).json() == results
    assert api.get(job["urls"]["model"]).status_code == 200
    assert api.post(job["urls"]["retry"]).json()["type"] == "/problems/dataset-gone"


# Keras 3.15 hands NumPy a variable in a way that NumPy 2 is about to drop.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_store_that_is_no_folder(sqlite_url: str, tmp_path: Path) -> None:
    """fsspec's memory:// is of one process alone, so the run is in this one, as its trainer's."""
    url = f"memory://{tmp_path.name}"
    with serving(settings_for(sqlite_url, tmp_path, artifacts_url=url)) as served:
        dataset = sent(served.client, "classification", CSV)
        job = jobs.stored(
            served.database, served.post("/v1/jobs", **body("classes", dataset))["id"]
        )
        assert job.upload is not None
        upload = read(Upload, job.upload)
        file = tmp_path / "dataset.npz"
        ArtifactStore(url).fetch(upload.key, upload.sha256, file)
        end = train(
            Experiment.model_validate(job.spec),
            upload.facts,
            upload=lambda: nullcontext(file),
            data_dir=NO_FILES,
            scratch=tmp_path,
            resume=None,
            checkpoint_seconds=0,
            hooks=Recorder(),
            programs=Programs(tmp_path / "arrays"),
        )
        assert isinstance(end, Finished)
        assert end.class_counts == dataset["class_counts"]["test"]
        jobs.cancel(served.database, job.id)
        assert served.client.delete(dataset["urls"]["self"]).status_code == 204
        with pytest.raises(FileNotFoundError), ArtifactStore(url).open(upload.key):
            pass
