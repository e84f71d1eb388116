"""Own data over HTTP: sent, seen, named by jobs, deleted; and what is left when that fails."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import fsspec
import httpx
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from sqlmodel import select

from api.datasets import access as datasets
from api.datasets.upload_places import UNDER_WAY
from api.http.wire.protocol import BoundedProtocol
from contract.experiment.datasets import CATALOGUE, Upload
from contract.experiment.spec import Experiment
from contract.settings import Settings
from contract.store import scratch
from contract.store.artifacts import ArtifactStore
from contract.store.documents import read
from contract.store.tables import LOCAL, Dataset, Job
from tests import jobs, keyring, processes, uploads
from tests.hostile_uploads import GOOD_X, GOOD_Y, good_csv, good_npz, npy, npz
from tests.integration.contract.jobs.test_races import at_once
from tests.keyring import ask
from tests.served import Api, problem, serving, settings_for

CSV = {"Content-Type": "text/csv"}
ROUNDS = 20
# What waits for a lock has not answered by then.
WAITS_SECONDS = 0.5


def send(
    api: Api, content: Any = None, media: str = "text/csv", label: Any = "label", **query: Any
) -> httpx.Response:
    """A good csv of 20 rows, unless told."""
    return api.client.post(
        "/v1/datasets",
        params={"name": "pets", "label": label, **query},
        content=good_csv() if content is None else content,
        headers={"Content-Type": media},
    )


def sent(api: Api, **more: Any) -> dict[str, Any]:
    answer = send(api, **more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def spec(dataset: str) -> dict[str, Any]:
    """An experiment for two features and two classes."""
    model = {"layers": [{"type": "Dense", "units": 2, "activation": "softmax"}]}
    changed = jobs.experiment(dataset={"name": dataset}, model=model)
    return changed.model_dump(mode="json", exclude_unset=True)


def files(settings: Settings) -> list[Path]:
    """Everything on the disk that an upload may have left; folders may vanish meanwhile."""
    folders = (settings.var_dir / "uploads", Path(settings.artifacts_url))
    walks = (walk for folder in folders for walk in os.walk(folder))
    return [Path(root) / name for root, _, names in walks for name in names]


def rows(api: Api) -> list[str]:
    with api.database.reading() as session:
        return list(session.exec(select(Dataset.id)))


@contextmanager
def leaving_nothing(api: Api) -> Iterator[None]:
    before = files(api.settings), rows(api)
    yield
    assert (files(api.settings), rows(api)) == before


def test_a_table_is_taken_and_told(api: Api) -> None:
    answer = send(api, test_fraction=0.3)
    assert answer.status_code == 201
    told = answer.json()
    assert answer.headers["location"] == told["urls"]["self"] == f"/v1/datasets/{told['id']}"
    assert api.get(told["urls"]["self"]) == told
    known = {
        "object": "dataset", "kind": "upload", "source": "upload", "name": "pets",
        "task": "classification", "shape": [2], "dtype": "float32", "classes": 2, "targets": 1,
        "class_names": ["cat", "dog"], "class_counts": {"train": [7, 7], "test": [3, 3]},
        "train_examples": 14, "test_examples": 6, "file_present": None,
    }  # fmt: skip
    assert {name: told[name] for name in known} == known
    assert {check["code"] for check in told["report"]["checks"]} >= {"constant_columns"}
    assert told["report"]["split"]["fraction"] == 0.3


def test_what_is_stored_is_what_a_worker_fetches(api: Api, tmp_path: Path) -> None:
    told = sent(api)
    with api.database.reading() as session:
        row = session.get_one(Dataset, told["id"])
    store = ArtifactStore(api.settings.artifacts_url)
    store.fetch(row.key, told["sha256"], tmp_path / "fetched.npz")
    assert (tmp_path / "fetched.npz").stat().st_size == told["bytes"] == row.bytes
    with np.load(tmp_path / "fetched.npz", allow_pickle=False) as file:
        assert len(file["x_train"]) == told["train_examples"]
    assert not list((api.settings.var_dir / "uploads").rglob("*.npz"))


@pytest.mark.parametrize(
    ("content", "media", "kind"),
    [
        (good_csv(), "text/csv; charset=utf-8", "csv"),
        (good_csv(), "application/octet-stream", "csv"),
        (good_npz(), "application/octet-stream", "npz"),
        (good_npz(), "application/x-npz", "npz"),
        (good_npz(), "Application/Zip", "npz"),
    ],
)
def test_media_types(api: Api, content: bytes, media: str, kind: str) -> None:
    told = sent(api, content=content, media=media, label="label" if kind == "csv" else [])
    assert told["report"]["media"] == kind


@pytest.mark.parametrize("media", ["", "application/json", "application/x-www-form-urlencoded"])
def test_other_media_types_are_refused_unread(api: Api, media: str) -> None:
    with leaving_nothing(api):
        told = problem(send(api, media=media), 415)
    assert "text/csv" in told["detail"]


def test_what_curl_makes_of_a_file_is_told(api: Api) -> None:
    """With -d it sends a form, unless told otherwise, and no line breaks."""
    form = problem(send(api, media="application/x-www-form-urlencoded"), 415)
    assert "--data-binary @file, not -d" in form["detail"]
    joined = problem(send(api, good_csv().replace(b"\n", b"")), 422)
    assert "--data-binary @file" in joined["detail"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"name": ""}, "name"), ({"name": "a\0b"}, "name"), ({"name": "x" * 101}, "name"),
        ({"task": "clustering"}, "task"), ({"test_fraction": "1"}, "test_fraction"),
        ({"test_fraction": "NaN"}, "test_fraction"), ({"lable": "x"}, "lable"),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be(api: Api, query: dict[str, str], parameter: str) -> None:
    with leaving_nothing(api):
        told = problem(send(api, **query), 422)
    assert told["errors"][0]["parameter"] == parameter


def test_a_file_that_is_no_dataset(api: Api) -> None:
    with leaving_nothing(api):
        told = problem(send(api, label="lable"), 422)
    assert told["type"] == "/problems/dataset-refused"
    assert "lable" in told["detail"]


def test_uploads_come_before_the_catalogue_newest_first(api: Api) -> None:
    mine = [sent(api)["id"] for _ in range(3)][::-1]
    whole = mine + list(CATALOGUE)
    page = api.get("/v1/datasets", limit=2)
    pages = page["data"]
    while page["has_more"]:
        page = api.get("/v1/datasets", limit=2, after=pages[-1]["id"])
        pages += page["data"]
    assert [dataset["id"] for dataset in pages] == whole
    for dataset in pages:
        assert api.get(dataset["urls"]["self"]) == dataset
    for kind, expected in (("upload", mine), ("catalogue", list(CATALOGUE))):
        for limit in (1, 2, len(expected), 100):
            page = api.get("/v1/datasets", kind=kind, limit=limit)
            assert [dataset["id"] for dataset in page["data"]] == expected[:limit]
            assert page["has_more"] == (limit < len(expected))
    assert api.get("/v1/datasets", kind="upload", after="blobs")["data"] == []


@pytest.mark.parametrize("dataset_id", ["nothing", "ds_1", f"ds_{'0' * 26}", "mnist%00", "ds_%0A"])
def test_a_dataset_that_does_not_exist(api: Api, dataset_id: str) -> None:
    for method in ("GET", "DELETE"):
        api.refused(f"/v1/datasets/{dataset_id}", 404, method)


def test_a_deleted_dataset_is_gone_with_its_file(api: Api) -> None:
    kept = files(api.settings)
    path = sent(api)["urls"]["self"]
    answer = api.client.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert files(api.settings) == kept
    api.refused(path, 404)
    api.refused(path, 404, "DELETE")


def test_the_catalogue_stays(api: Api) -> None:
    told = api.refused("/v1/datasets/mnist", 409, "DELETE")
    assert told["type"] == "/problems/dataset-kept"


def test_a_job_names_an_upload(api: Api) -> None:
    told = sent(api)
    job = api.post("/v1/jobs", **spec(told["id"]))
    upload = jobs.stored(api.database, job["id"]).upload
    assert upload is not None
    assert read(Upload, upload).facts.classes == 2
    assert read(Upload, upload).sha256 == told["sha256"]
    listed = api.client.get(told["urls"]["jobs"]).json()["data"]
    assert [each["id"] for each in listed] == [job["id"]]


def test_a_spec_is_held_against_the_uploads_facts(api: Api) -> None:
    wrong = spec(sent(api)["id"])
    wrong["model"]["layers"][-1]["units"] = 3
    told = problem(api.client.post("/v1/jobs", json=wrong), 422)
    assert told["errors"][0]["pointer"] == "/model/layers/0"


def test_a_job_may_weight_an_uploads_classes_by_name_or_its_examples(api: Api) -> None:
    """But not both."""
    weights = npy(np.arange(20.0) + 1)
    table, arrays = sent(api)["id"], npz(x=GOOD_X, y=GOOD_Y, w=weights)
    weighted = sent(api, content=arrays, media="application/x-npz", label=[])
    assert weighted["weighted"]
    for dataset, class_weight, status in (
        (table, {"cat": 2, "dog": 0.5}, 202),
        (table, {"0": 2}, 202),
        (table, {"bird": 2}, 422),
        (weighted["id"], None, 202),
        (weighted["id"], "balanced", 422),
    ):
        posted = spec(dataset)
        posted["training"]["class_weight"] = class_weight
        assert api.client.post("/v1/jobs", json=posted).status_code == status, class_weight


def test_a_dataset_stays_while_a_job_uses_it(api: Api) -> None:
    told = sent(api)
    path = told["urls"]["self"]
    waits, runs = (api.post("/v1/jobs", **spec(told["id"]))["id"] for _ in range(2))
    held = jobs.claim(api.database, runs)
    assert held is not None
    refused = api.refused(path, 409, "DELETE")
    assert refused["type"] == "/problems/dataset-kept"
    assert waits in refused["detail"]
    assert runs in refused["detail"]
    jobs.cancel(api.database, waits)
    with api.database.writing() as session:
        jobs.fail(session, held)
    assert api.client.delete(path).status_code == 204


def test_a_job_is_run_again_while_its_dataset_is_there(api: Api) -> None:
    told = sent(api)
    first = api.post("/v1/jobs", **spec(told["id"]))["id"]
    jobs.cancel(api.database, first)
    again = api.post(f"/v1/jobs/{first}/retry")
    assert again["spec"]["dataset"] == {"name": told["id"]}
    assert jobs.stored(api.database, again["id"]).upload == jobs.stored(api.database, first).upload
    api.refused(told["urls"]["self"], 409, "DELETE")
    jobs.cancel(api.database, again["id"])
    api.client.delete(told["urls"]["self"])
    refused = api.refused(f"/v1/jobs/{first}/retry", 409, "POST")
    assert refused["type"] == "/problems/dataset-gone"
    assert told["id"] in refused["detail"]
    assert api.get(f"/v1/jobs/{first}")["status"] == "cancelled"


def test_a_delete_and_a_job_at_once_never_both_win(api: Api) -> None:
    for _ in range(ROUNDS):
        told = sent(api)
        delete = partial(api.client.delete, told["urls"]["self"])
        submit = partial(api.client.post, "/v1/jobs", json=spec(told["id"]))
        deleted, submitted = (answer.status_code for answer in at_once(delete, submit))
        assert (deleted, submitted) in {(204, 422), (204, 409), (409, 202)}
        with api.database.reading() as session:
            used = session.exec(select(Job.id).where(Job.dataset == told["id"])).all()
        assert rows(api).count(told["id"]) == len(used) == (submitted == 202)


def test_a_delete_waits_for_a_job_that_is_being_stored(api: Api) -> None:
    told = sent(api)
    experiment = Experiment.model_validate(spec(told["id"]))
    with ThreadPoolExecutor(1) as threads:
        with api.database.writing() as session:
            datasets.hold(session, experiment)
            deleted = threads.submit(api.client.delete, told["urls"]["self"])
            with pytest.raises(TimeoutError):
                deleted.result(WAITS_SECONDS)
            jobs.queue(session, experiment, owner=LOCAL)
        assert problem(deleted.result(), 409)["type"] == "/problems/dataset-kept"


def test_a_job_waits_for_a_delete_that_is_under_way(api: Api) -> None:
    told = sent(api)
    with ThreadPoolExecutor(1) as threads:
        with api.database.writing() as session:
            datasets.delete(session, told["id"], LOCAL)
            session.flush()
            submitted = threads.submit(api.client.post, "/v1/jobs", json=spec(told["id"]))
            with pytest.raises(TimeoutError):
                submitted.result(WAITS_SECONDS)
        assert problem(submitted.result(), 409)["type"] == "/problems/dataset-gone"
    assert api.get("/v1/jobs")["data"] == []


def test_anothers_dataset_is_none_in_a_spec_either(keyed: Api, tmp_path: Path) -> None:
    mine, yours = (keyring.make(keyed, owner) for owner in ("me", "you"))
    theirs = uploads.stored(keyed.database, "you", tmp_path)
    nowhere = f"ds_{'0' * 26}"
    found, none = (
        ask(keyed, mine, "/v1/jobs", "POST", json=spec(id_)) for id_ in (theirs, nowhere)
    )
    assert problem(found, 422)["errors"][0]["pointer"] == "/dataset/name"
    body, headers = keyring.plain(found)
    assert (body.replace(theirs, nowhere), headers) == keyring.plain(none)
    assert ask(keyed, yours, "/v1/jobs", "POST", json=spec(theirs)).status_code == 202


def test_a_key_that_may_only_read_sends_nothing(keyed: Api) -> None:
    token = keyring.make(keyed, "me", "read")
    answer = ask(keyed, token, "/v1/datasets?name=x", "POST", content=good_csv(), headers=CSV)
    problem(answer, 403)


def test_what_an_owner_stores_is_limited(database_url: str, tmp_path: Path) -> None:
    settings = settings_for(database_url, tmp_path, auth="keys", max_stored_bytes=1500)
    with serving(settings) as api:
        tokens = {owner: keyring.make(api, owner) for owner in ("me", "you")}

        def post(owner: str) -> httpx.Response:
            path = "/v1/datasets?name=pets&label=label"
            return ask(api, tokens[owner], path, "POST", content=good_csv(), headers=CSV)

        size = post("me").json()["bytes"]
        assert size < 1500 < 2 * size
        with leaving_nothing(api):
            told = problem(post("me"), 429)
        assert told["type"] == "/problems/too-many-bytes"
        assert post("you").status_code == 201


def test_an_upload_has_a_bound_of_its_own(sqlite_url: str, tmp_path: Path) -> None:
    settings = settings_for(sqlite_url, tmp_path, max_body_bytes=1000, max_upload_bytes=5000)
    large = good_csv(200)
    assert 1000 < len(large) < 5000
    with serving(settings) as api:
        sent(api, content=large)
        for content in (large * 3, iter([large] * 3)):  # declared, and streamed
            with leaving_nothing(api):
                told = problem(send(api, content=content), 413)
            assert "PLATEAU_MAX_UPLOAD_BYTES" in told["detail"]
        told = problem(api.client.post("/v1/jobs", json=[0] * 1000), 413)
        assert "PLATEAU_MAX_BODY_BYTES" in told["detail"]


@contextmanager
def half_sent(api: Api, size: int = 3_000_000) -> Iterator[socket.socket]:
    """A connection on which half of an upload was sent, and has come to the disk."""
    query = urlencode({"name": "half", "label": "label"})
    head = (
        f"POST /v1/datasets?{query} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
        f"Content-Length: {size}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", api.client.base_url.port or 0)) as connection:
        connection.sendall(head.encode() + b"a,b,label\n" + b"1,2,cat\n" * (size // 16))
        processes.wait_for(
            "bytes on the disk", lambda: any(f.stat().st_size for f in received(api))
        )
        yield connection


def received(api: Api) -> list[Path]:
    return [path for path in files(api.settings) if path.name == "received"]


@pytest.mark.parametrize("reset", [False, True])
def test_who_hangs_up_leaves_nothing(api: Api, reset: bool) -> None:
    with leaving_nothing(api), half_sent(api) as connection:
        if reset:
            linger = (1).to_bytes(4, "little") + bytes(4)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.close()
        processes.wait_for("the disk to be clean", lambda: not received(api))
    sent(api)


def test_who_is_too_slow_leaves_nothing(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast it was before."""
    monkeypatch.setattr(BoundedProtocol, "patience_seconds", 1.0)
    with (
        serving(settings_for(sqlite_url, tmp_path)) as api,
        leaving_nothing(api),
        half_sent(api) as connection,
    ):
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")
        processes.wait_for("the disk to be clean", lambda: not received(api))


def test_only_so_many_uploads_are_under_way(api: Api) -> None:
    with leaving_nothing(api), ExitStack() as stack:
        for _ in range(UNDER_WAY):
            stack.enter_context(half_sent(api))
        processes.wait_for("all of them", lambda: len(received(api)) == UNDER_WAY)
        answer = send(api)
        assert problem(answer, 503)["type"] == "/problems/unavailable"
        assert int(answer.headers["retry-after"]) > 0
        stack.close()
        processes.wait_for("the disk to be clean", lambda: not received(api))
    sent(api)


def test_a_stop_leaves_nothing(sqlite_url: str, tmp_path: Path) -> None:
    settings = settings_for(sqlite_url, tmp_path)
    with serving(settings) as api, half_sent(api) as connection:
        connection.close()
    assert list((tmp_path / "uploads").iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_nothing_else(
    sqlite_url: str, tmp_path: Path
) -> None:
    left, used = tmp_path / "uploads" / "1-left", scratch.Scratch(tmp_path / "uploads")
    left.mkdir(parents=True)
    (left / "received").write_bytes(b"half")
    with used.folder() as folder:
        with serving(settings_for(sqlite_url, tmp_path)) as api:
            assert not left.exists()
            sent(api)
        assert folder.is_dir()
    used.close()
    assert list((tmp_path / "uploads").iterdir()) == []


class Away(MemoryFileSystem):
    """A store that cannot be reached."""

    protocol = "away"

    def put_file(self, *_: Any, **__: Any) -> None:
        raise ConnectionError("no route to host")


def test_a_store_that_is_away(sqlite_url: str, tmp_path: Path) -> None:
    fsspec.register_implementation("away", Away, clobber=True)
    with serving(settings_for(sqlite_url, tmp_path, artifacts_url="away://x")) as api:
        answer = send(api)
        assert problem(answer, 503)["type"] == "/problems/unavailable"
        assert int(answer.headers["retry-after"]) > 0
        assert (files(api.settings), rows(api)) == ([], [])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder that takes 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    ("full", "examples"),
    [("var_dir", 500_000), ("var_dir", 120_000), ("artifacts_url", 300_000)],
    ids=["by what is received", "by what is made of it", "by what is kept"],
)
def test_a_full_disk(
    full: str, examples: int, small_disk: Path, sqlite_url: str, tmp_path: Path
) -> None:
    places = {"var_dir": tmp_path / "var", "artifacts_url": str(tmp_path / "artifacts")}
    places[full] = str(small_disk)
    table = b"a,b,label\n" + b"1,2,cat\n3,4,dog\n" * (examples // 2)
    with serving(Settings.model_validate({"database_url": sqlite_url, **places})) as api:
        with leaving_nothing(api):
            told = problem(send(api, content=table), 507)
        assert told["type"] == "/problems/storage-full"
        sent(api)


def test_a_full_disk_of_the_database(small_disk: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{small_disk / 'plateau.db'}"
    with serving(settings_for(url, tmp_path)) as api:
        api.post("/v1/jobs", **spec(sent(api)["id"]))
        before = api.get("/v1/jobs")
        rest = os.statvfs(small_disk)
        (small_disk / "filling").write_bytes(bytes(rest.f_bsize * rest.f_bavail))
        # Pages that are free within the database are filled first.
        answers = [send(api) for _ in range(30)]
        assert problem(answers[-1], 507)["type"] == "/problems/storage-full"
        assert len(rows(api)) == len(files(api.settings))
        assert api.get("/v1/jobs") == before


def test_a_row_that_cannot_be_stored_takes_its_file_with_it(
    sqlite_url: str, tmp_path: Path
) -> None:
    with serving(settings_for(sqlite_url, tmp_path)) as api:
        with api.database.writing() as session:
            session.connection().exec_driver_sql(
                "CREATE TRIGGER refuse BEFORE INSERT ON datasets BEGIN SELECT RAISE(ABORT, 'no'); "
                "END"
            )
        assert send(api).status_code == 500
        assert (files(api.settings), rows(api)) == ([], [])


def test_the_list_of_reports_is_plain_json(api: Api) -> None:
    sent(api, content=b"a,b,y\n" + b"1,,1.5\n2,3,nan\n" * 10, label="y")
    json.dumps(api.get("/v1/datasets"), allow_nan=False)
