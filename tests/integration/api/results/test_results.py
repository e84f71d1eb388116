"""What a run leaves behind, over HTTP."""

import csv
import io
import math
import struct
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from contract.experiment.datasets import Task, Upload
from contract.jobs import lifecycle
from contract.jobs.lifecycle import Claim, FinishedEpoch
from contract.store.artifacts import ArtifactStore
from contract.store.tables import Result
from tests import jobs, uploaded
from tests.served import Api, problem

MODEL = bytes(range(256)) * 4096
SCALING = b"offsets and scales"


def record(api: Api, held: Claim, *epochs: dict[str, float]) -> None:
    rows = [FinishedEpoch(number, each, 0.01, 0.25) for number, each in enumerate(epochs, 1)]
    with api.database.writing() as session:
        kept = jobs.checkpoint(held, len(rows))
        signals = [jobs.measured(row.epoch) for row in rows]
        assert lifecycle.record(session, held, rows, signals, kept, lease_seconds=60)


def test_a_long_curve_is_thinned_and_its_spikes_stay(api: Api) -> None:
    held = jobs.running(api.database)
    epochs = [{"loss": 1 / number, "accuracy": 0.5} for number in range(1, 301)]
    epochs[177]["loss"] = 9.0
    record(api, held, *epochs)
    path = f"/v1/jobs/{held.job_id}/curves"
    whole, thin = api.get(path)["curves"], api.get(path, points=100)["curves"]
    assert (len(whole["epoch"]), thin.keys()) == (300, whole.keys())
    assert len(thin["epoch"]) <= 100
    assert (thin["epoch"][0], thin["epoch"][-1]) == (1, 300)
    assert thin["loss"][thin["epoch"].index(178)] == 9.0
    assert len(api.client.get(f"{path}.csv").text.splitlines()) == 301
    assert api.refused(path, 422, query={"points": 99})["errors"][0]["parameter"] == "points"


def finished(api: Api, folder: Path, *epochs: dict[str, float]) -> str:
    """The id of a job that has succeeded, with MODEL as its model and SCALING beside it."""
    held = jobs.running(api.database)
    record(
        api, held, *(epochs or ({"loss": 1.0, "accuracy": 0.5}, {"loss": 0.5, "accuracy": 0.75}))
    )
    file = folder / "model"
    file.write_bytes(MODEL)
    store = ArtifactStore(api.settings.artifacts_url)
    kept = store.put(f"jobs/{held.job_id}/1.keras", file)
    file.write_bytes(SCALING)
    scaling = store.put(f"jobs/{held.job_id}/1.npz", file)
    result = Result(
        job_id=held.job_id,
        confusion_matrix=[[3, 1], [0, 4]],
        timing={"load_seconds": 0.5, "train_seconds": 2.0},
        environment={"python": "3"},
        diagnosis={"verdict": "healthy"},
        artifacts={"model": {**vars(kept), "epoch": 2}, "scaling": vars(scaling)},
    )
    with api.database.writing() as session:
        assert lifecycle.succeed(
            session, held, result, metrics={"test_loss": math.inf, "test_accuracy": 0.875},
            verdict="healthy", headline="87.5 % on test.",
        )  # fmt: skip
    return held.job_id


def test_results_are_not_there_until_the_job_has_ended(api: Api) -> None:
    queued = jobs.submit(api.database)
    held = jobs.running(api.database)
    record(api, held, {"loss": 1.0}, {"loss": 1.0})
    for id_ in (queued, held.job_id):
        for rest in ("results", "model"):
            answer = api.client.get(f"/v1/jobs/{id_}/{rest}")
            assert problem(answer, 409)["type"] == "/problems/not-ready"
            assert 1 <= int(answer.headers["retry-after"]) <= 30


def test_results_hold_the_whole_outcome(api: Api, tmp_path: Path) -> None:
    id_ = finished(api, tmp_path)
    told = api.get(f"/v1/jobs/{id_}/results")
    model = told["artifacts"].pop("model")
    assert (model["url"], model["bytes"]) == (f"/v1/jobs/{id_}/model", len(MODEL))
    assert model["epoch"] == 2
    scaling = told["artifacts"].pop("scaling")
    assert (scaling["url"], scaling["bytes"]) == (f"/v1/jobs/{id_}/scaling", len(SCALING))
    assert told["timing"].pop("queued_seconds") >= 0
    assert told == {
        "object": "results",
        "job": id_,
        "status": "succeeded",
        "verdict": "healthy",
        "headline": "87.5 % on test.",
        "error": None,
        "metrics": {"test_loss": "Infinity", "test_accuracy": 0.875},
        "curves": {
            "epoch": [1, 2],
            "loss": [1.0, 0.5],
            "accuracy": [0.5, 0.75],
            "learning_rate": [0.01, 0.01],
            "seconds": [0.25, 0.25],
        },
        "first_losses": [1.0, "NaN"],
        "confusion_matrix": [[3, 1], [0, 4]],
        "timing": {
            "load_seconds": 0.5,
            "compile_seconds": None,
            "train_seconds": 2.0,
            "examples_per_second": None,
        },
        "environment": {"python": "3"},
        "diagnosis": {"verdict": "healthy"},
        "artifacts": {},
    }
    job = api.get(f"/v1/jobs/{id_}")
    assert (job["metrics"], job["verdict"]) == (told["metrics"], "healthy")
    # Two of five epochs: it stopped early, and is done all the same.
    assert job["progress"] == {"epoch": 2, "epochs": 5, "fraction": 1.0, "eta_seconds": None}


def test_a_failed_job_has_an_error_and_the_curve_so_far(api: Api) -> None:
    held = jobs.running(api.database)
    record(api, held, {"loss": 1.0})
    with api.database.writing() as session:
        jobs.fail(session, held)
    told = api.get(f"/v1/jobs/{held.job_id}/results")
    assert told["status"] == "failed"
    assert told["error"] == {"code": "x", "message": "It broke.", "hint": "Mend it."}
    assert told["curves"]["loss"] == [1.0]
    for name in ("metrics", "verdict", "confusion_matrix", "diagnosis"):
        assert told[name] is None, name
    assert api.refused(f"/v1/jobs/{held.job_id}/model", 404)["type"] == "/problems/not-found"


def test_a_job_cancelled_in_the_queue_has_results_too(api: Api) -> None:
    id_ = jobs.submit(api.database)
    jobs.cancel(api.database, id_)
    told = api.get(f"/v1/jobs/{id_}/results")
    assert told["status"] == "cancelled"
    assert told["curves"] == {"epoch": [], "learning_rate": [], "seconds": []}
    assert told["timing"]["queued_seconds"] >= 0


def test_a_curve_that_turns_nan_is_valid_json(api: Api, tmp_path: Path) -> None:
    id_ = finished(
        api,
        tmp_path,
        {"loss": 2.3, "accuracy": 0.1},
        {"loss": math.inf, "accuracy": 0.1},
        {"loss": math.nan, "accuracy": 0.098, "val_loss": -math.inf},
    )
    columns = api.get(f"/v1/jobs/{id_}/curves")["curves"]
    assert columns["loss"] == [2.3, "Infinity", "NaN"]
    assert columns["val_loss"] == [None, None, "-Infinity"]
    lines = list(csv.DictReader(io.StringIO(text(api, id_, "csv"))))
    assert [math.isnan(float(line["loss"])) for line in lines] == [False, False, True]
    assert [line["val_loss"] for line in lines] == ["", "", "-Infinity"]
    ET.fromstring(text(api, id_, "svg"))
    assert len(api.get(f"/v1/jobs/{id_}/events", limit=100)["data"]) == 6


def text(api: Api, id_: str, suffix: str) -> str:
    answer = api.client.get(f"/v1/jobs/{id_}/curves.{suffix}")
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("epochs", [0, 1, 2])
def test_curves_in_each_format(api: Api, epochs: int) -> None:
    held = jobs.running(api.database, name="<a> & 'b' --> $x_{ \N{SNOWMAN} 学習")
    if epochs:
        record(api, held, *({"loss": 1.0, "accuracy": 0.5, "val_loss": 2.0} for _ in range(epochs)))
    path = f"/v1/jobs/{held.job_id}"
    told = api.get(f"{path}/curves")
    assert (told["object"], told["job"], told["status"]) == ("curves", held.job_id, "running")
    assert {len(column) for column in told["curves"].values()} == {epochs}

    answer = api.client.get(f"{path}/curves.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    header, *lines = csv.reader(io.StringIO(answer.text))
    assert header == list(told["curves"])
    assert len(lines) == epochs

    answer = api.client.get(f"{path}/curves.png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", answer.content[16:24]) == (1100, 484)

    answer = api.client.get(f"{path}/curves.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert ET.fromstring(answer.text).tag == "{http://www.w3.org/2000/svg}svg"

    assert api.refused(f"{path}/curves.gif", 404)


def test_events_tell_all_in_order(api: Api) -> None:
    held = jobs.running(api.database)
    record(api, held, {"loss": 1.0}, {"loss": math.nan})
    with api.database.writing() as session:
        jobs.succeed(session, held)
    path = f"/v1/jobs/{held.job_id}/events"
    pages: list[list[dict[str, Any]]] = []
    more, after = True, 0
    while more:
        page = api.get(path, limit=2, after=after)
        pages.append(page["data"])
        after, more = page["data"][-1]["seq"], page["has_more"]
    assert [len(page) for page in pages] == [2, 2, 1]
    told = [event for page in pages for event in page]
    assert [event["seq"] for event in told] == [1, 2, 3, 4, 5]
    assert [event["type"] for event in told] == ["status", "status", "epoch", "epoch", "status"]
    assert {(event["object"], event["job"]) for event in told} == {("event", held.job_id)}
    assert told[3]["data"] == {"epoch": 2, "metrics": {"loss": "NaN"}}
    assert api.get(path, after=5) == {"object": "list", "data": [], "has_more": False}
    assert api.refused(path, 422, query={"after": -1})["errors"][0]["parameter"] == "after"


def test_the_model_is_the_file_that_was_stored(api: Api, tmp_path: Path) -> None:
    id_ = finished(api, tmp_path)
    answer = api.client.get(f"/v1/jobs/{id_}/model")
    assert answer.content == MODEL
    assert answer.headers["content-length"] == str(len(MODEL))
    assert answer.headers["content-disposition"] == f'attachment; filename="{id_}.keras"'


def test_the_scaling_lies_beside_the_model(api: Api, tmp_path: Path) -> None:
    id_ = finished(api, tmp_path)
    answer = api.client.get(f"/v1/jobs/{id_}/scaling")
    assert answer.content == SCALING
    assert answer.headers["content-disposition"] == f'attachment; filename="{id_}.scaling.npz"'


@pytest.mark.parametrize(("task", "chance"), [("classification", True), ("multi_label", False)])
def test_the_picture_of_a_run_on_an_uploaded_dataset(api: Api, task: Task, chance: bool) -> None:
    upload = Upload(uploaded.facts(task), uploaded.KEY, "0" * 64).to_dict()
    held = jobs.running(api.database, upload=upload, dataset={"name": uploaded.ID})
    record(api, held, {"loss": 1.0, "accuracy": 0.5, "exact_match": 0.25})
    drawn = text(api, held.job_id, "svg")
    assert "<!-- accuracy -->" in drawn
    assert ("<!-- chance 0.33 -->" in drawn) is chance
    assert ("<!-- chance" in drawn) is chance


def test_a_model_that_is_gone_is_a_404(api: Api, tmp_path: Path) -> None:
    id_ = finished(api, tmp_path)
    ArtifactStore(api.settings.artifacts_url).delete(f"jobs/{id_}/1.keras")
    assert "retry" in api.refused(f"/v1/jobs/{id_}/model", 404)["detail"]
