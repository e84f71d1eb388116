"""What is received, fetched or stored is whole, or it is refused: wherever a file stops growing."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fsspec import register_implementation
from fsspec.implementations.memory import MemoryFileSystem

from api.datasets.upload import _receive
from contract.errors import DatasetRefused
from contract.experiment.datasets import Dataset, Upload
from contract.settings import Settings
from contract.store.artifacts import ArtifactStore
from tests import jobs, uploaded
from tests.hostile_uploads import good_csv
from tests.served import Api, problem
from tests.small_files import at_most
from worker.protocol import Train
from worker.trainer.run_files import Desk
from worker.training.checkpoint import Checkpoint, Position
from worker.training.data.dataset_cache import DatasetCache
from worker.training.signals.unreported import Unreported

SENT = 1_648_576
KEY = "jobs/job_1/1.keras"
Write = Callable[[Path, Path], bytes]


async def body(content: bytes, piece: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(content), piece):
        yield content[start : start + piece]


def receive(content: bytes, target: Path, declared: int | None = None) -> None:
    asyncio.run(_receive(body(content), target, declared))


@pytest.mark.parametrize("limit", [1_500_000, SENT - 1, 1_048_576, 1_048_575, 5_000])
def test_a_body_that_does_not_fit_is_no_shorter_file(tmp_path: Path, limit: int) -> None:
    with at_most(limit), pytest.raises(OSError, match="File too large"):
        receive(os.urandom(SENT), tmp_path / "received")


def test_a_body_that_fits_is_all_there(tmp_path: Path) -> None:
    content = os.urandom(SENT)
    with at_most(SENT):
        receive(content, tmp_path / "received", len(content))
    assert (tmp_path / "received").read_bytes() == content


@pytest.mark.parametrize("declared", [SENT - 1, SENT + 1])
def test_a_body_is_as_long_as_was_declared(tmp_path: Path, declared: int) -> None:
    with pytest.raises(DatasetRefused, match=f"expected {declared:,} bytes"):
        receive(bytes(SENT), tmp_path / "received", declared)


def test_an_upload_that_does_not_fit_is_refused(api: Api) -> None:
    table = good_csv(150_000)
    query = {"name": "pets", "label": "label"}
    post = partial(api.client.post, "/v1/datasets", params=query, content=table)
    store = Path(api.settings.artifacts_url)
    before = files(store)
    with at_most(1_500_000):
        assert len(table) > 1_500_000
        told = problem(post(headers={"Content-Type": "text/csv"}), 507)
    assert told["type"] == "/problems/storage-full"
    assert files(store) == before
    assert post(headers={"Content-Type": "text/csv"}).status_code == 201


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def put(folder: Path, source: Path) -> bytes:
    ArtifactStore(str(folder)).put(KEY, source)
    return (folder / KEY).read_bytes()


def fetch(folder: Path, source: Path) -> bytes:
    store = ArtifactStore(str(folder.with_name("store")))
    with at_most(10_000_000):
        stored = store.put("datasets/ds.npz", source)
    upload = Upload(uploaded.facts("classification"), stored.key, stored.sha256)
    experiment = jobs.experiment()
    order = Train(job_id="job_1", fence=1, experiment=experiment, upload=upload, checkpoint=None)
    with Desk(Settings(var_dir=folder), store).laid_out(order) as files:
        assert files.upload is not None
        with files.upload() as file:
            return file.read_bytes()


def decode(folder: Path, source: Path) -> bytes:
    """What trainers share: an array file is short by up to 4 kB where NumPy itself writes it."""
    facts = uploaded.facts("classification")
    dataset, cache = Dataset(name=uploaded.ID), DatasetCache(folder)
    cache.arrays(dataset, facts, Path("none"), lambda: nullcontext(source))
    mapped = np.load(folder / uploaded.ID / "x_train.npy", mmap_mode="r")
    assert np.array_equal(mapped, uploaded.arrays("classification")["x_train"])
    return source.read_bytes()


def save(folder: Path, source: Path) -> bytes:
    arrays = list(uploaded.arrays("classification").values())
    state = Checkpoint(Position(), arrays, [], [], Unreported())
    state.write(folder / "checkpoint.npz")
    read = Checkpoint.read(folder / "checkpoint.npz")
    assert all(np.array_equal(a, b) for a, b in zip(read.model, arrays, strict=True))
    return source.read_bytes()


@pytest.mark.parametrize("write", [put, fetch, decode, save])
def test_what_is_written_is_whole_or_refused(write: Write, tmp_path: Path) -> None:
    """A limit at every 100th byte of what is written, so in every file and in every part of it."""
    source = tmp_path / "dataset.npz"
    uploaded.write(source, "classification")
    content = source.read_bytes()
    refused = 0
    for limit in range(50, 3 * len(content), 100):
        folder = tmp_path / str(limit)
        folder.mkdir()
        try:
            with at_most(limit):
                assert write(folder, source) == content
        except OSError:
            refused += 1
            assert write is save or not [f for f in files(folder) if f.name != "own"]
    assert refused > 10


class Short(MemoryFileSystem):
    """A store that keeps less than it was given, and says nothing."""

    protocol = "short"

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        self.pipe_file(rpath, Path(lpath).read_bytes()[:-1])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").write_bytes(b"weights" * 1000)
    return tmp_path / "source"


def test_a_store_that_keeps_less_is_found_out(source: Path) -> None:
    register_implementation("short", Short, clobber=True)
    store = ArtifactStore("short://somewhere")
    with pytest.raises(OSError, match="had 7,000 bytes, 6,999 were stored"):
        store.put(KEY, source)
    with pytest.raises(FileNotFoundError), store.open(KEY):
        pass


class Meddled(MemoryFileSystem):
    """While it takes a file, someone else writes to that."""

    protocol = "meddled"

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        self.pipe_file(rpath, Path(lpath).read_bytes())
        Path(lpath).write_bytes(b"others!" * 1000)


@pytest.fixture(params=["folder", "remote"])
def meddled(
    request: pytest.FixtureRequest, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ArtifactStore]:
    """A store whose source is another one once it was read."""
    if request.param == "remote":
        register_implementation("meddled", Meddled, clobber=True)
        yield ArtifactStore("meddled://somewhere")
        return
    fsync = os.fsync

    def meddle(handle: int) -> None:
        fsync(handle)
        source.write_bytes(b"others!" * 1000)

    monkeypatch.setattr(os, "fsync", meddle)
    yield ArtifactStore(str(tmp_path / "artifacts"))


def test_a_source_that_changes_meanwhile_is_found_out(meddled: ArtifactStore, source: Path) -> None:
    with pytest.raises(OSError, match="has to stay as it is") as failure:
        meddled.put(KEY, source)
    assert failure.value.errno == errno.EIO
    with pytest.raises(FileNotFoundError), meddled.open(KEY):
        pass


def test_a_model_that_is_cut_short_is_not_handed_out(api: Api, source: Path) -> None:
    store = ArtifactStore(api.settings.artifacts_url)
    held = jobs.running(api.database)
    stored = store.put(f"jobs/{held.job_id}/1.keras", source)
    row = jobs.result(held.job_id)
    row.artifacts = {"model": vars(stored)}
    with api.database.writing() as session:
        jobs.succeed_with(session, held, row)
    path = f"/v1/jobs/{held.job_id}/model"
    assert api.client.get(path).content == source.read_bytes()
    file = Path(api.settings.artifacts_url) / stored.key
    file.write_bytes(source.read_bytes()[:-1])
    told = api.refused(path, 404)
    assert "has 6,999 bytes, expected 7,000" in told["detail"]
