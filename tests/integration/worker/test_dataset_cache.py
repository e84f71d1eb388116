"""Uploaded datasets on a node's disk: fetched once, checked each time, and never too many."""

import threading
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from contract.errors import DatasetUnavailable
from contract.experiment.datasets import Dataset, Upload
from contract.settings import Settings
from contract.store.artifacts import ArtifactStore
from tests import jobs, uploaded
from worker.protocol import Train
from worker.trainer.run_files import Desk
from worker.training.data.dataset_cache import DatasetCache
from worker.training.data.load import Arrays

NO_FILES = Path("none")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


class Node:
    """A trainer with files of its own, which shares the folder `cache` with others."""

    def __init__(self, store: ArtifactStore, tmp_path: Path, limit_bytes: int = 1_000_000) -> None:
        self._desk = Desk(Settings(var_dir=tmp_path / "var"), store)
        self._folder = tmp_path / "cache"
        self._limit_bytes = limit_bytes

    def arrays(self, upload: Upload) -> Arrays:
        """As a new process has them."""
        cache = DatasetCache(self._folder, self._limit_bytes)
        with self._desk.laid_out(order(upload)) as files:
            found = cache.arrays(named(upload), upload.facts, NO_FILES, files.upload)
            assert list(files.scratch.iterdir()) == [], "what was fetched is dropped"
        return found


def order(upload: Upload) -> Train:
    experiment = jobs.experiment()
    return Train(job_id="job_1", fence=1, experiment=experiment, upload=upload, checkpoint=None)


def named(upload: Upload) -> Dataset:
    """Each upload has an id of its own."""
    return Dataset(name=upload.key.removeprefix("datasets/").removesuffix(".npz"))


def put(store: ArtifactStore, tmp_path: Path, number: int = 0) -> Upload:
    """A dataset in the store, whose inputs are all `number` where that is not 0."""
    file = tmp_path / "uploaded.npz"
    shape = (uploaded.TRAIN, uploaded.FEATURES)
    changes = {"x_train": np.full(shape, number, np.float32)} if number else {}
    upload = uploaded.write(file, "classification", **changes)
    stored = store.put(f"datasets/ds_{uuid4().int % 10**26:026}.npz", file)
    return Upload(upload.facts, stored.key, stored.sha256)


def kept(tmp_path: Path) -> set[str]:
    return {folder.name for folder in (tmp_path / "cache").iterdir()}


def test_a_dataset_is_fetched_once(store: ArtifactStore, tmp_path: Path) -> None:
    upload, node = put(store, tmp_path), Node(store, tmp_path)
    node.arrays(upload)
    store.delete(upload.key)
    for name, expected in uploaded.arrays("classification").items():
        assert np.array_equal(getattr(node.arrays(upload), name), expected)
    assert kept(tmp_path) == {named(upload).name}


def test_a_damaged_copy_is_fetched_again(store: ArtifactStore, tmp_path: Path) -> None:
    upload, node = put(store, tmp_path), Node(store, tmp_path)
    node.arrays(upload)
    copy = tmp_path / "cache" / named(upload).name / "x_train.npy"
    whole = copy.read_bytes()
    copy.write_bytes(whole[:-1])
    node.arrays(upload)
    assert copy.read_bytes() == whole


@pytest.mark.parametrize("lost", [True, False])
def test_what_the_store_lost_or_changed_is_unavailable(
    lost: bool, store: ArtifactStore, tmp_path: Path
) -> None:
    upload = put(store, tmp_path)
    file = tmp_path / "artifacts" / upload.key
    if lost:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[::-1])
    with pytest.raises(DatasetUnavailable, match="missing" if lost else "expected") as failure:
        Node(store, tmp_path).arrays(upload)
    assert failure.value.code == "dataset_unavailable"
    assert "upload it again" in failure.value.hint
    assert not (tmp_path / "cache").exists()


def test_a_disk_that_is_away_is_no_fault_of_the_dataset(
    store: ArtifactStore, tmp_path: Path
) -> None:
    upload = put(store, tmp_path)
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="cache"):
        Node(store, tmp_path).arrays(upload)


def test_what_was_not_used_for_longest_goes_first(store: ArtifactStore, tmp_path: Path) -> None:
    node = Node(store, tmp_path, limit_bytes=13_000)  # one takes 5,700
    uploads = [put(store, tmp_path, number) for number in range(3)]
    for number in (0, 1, 0, 2):
        node.arrays(uploads[number])
    assert kept(tmp_path) == {named(uploads[0]).name, named(uploads[2]).name}


def test_what_is_in_use_stays_readable(store: ArtifactStore, tmp_path: Path) -> None:
    node = Node(store, tmp_path, limit_bytes=1)
    uploads = [put(store, tmp_path, number) for number in range(1, 4)]
    used = [node.arrays(upload) for upload in uploads]
    assert kept(tmp_path) == set()
    assert [set(arrays.x_train.flat) for arrays in used] == [{1}, {2}, {3}]


def test_many_may_fetch_and_drop_at_once(store: ArtifactStore, tmp_path: Path) -> None:
    """Each node stands for a trainer; so small a limit makes each drop what it can."""
    uploads = [put(store, tmp_path, number) for number in range(1, 5)]
    faults: list[object] = []

    def train(trainer: int) -> None:
        node = Node(store, tmp_path, limit_bytes=6_000)
        for round_ in range(50):
            number = (trainer + round_) % len(uploads)
            try:
                if set(node.arrays(uploads[number]).x_train.flat) != {number + 1}:
                    faults.append(number)
            except Exception as error:
                faults.append(error)

    trainers = [threading.Thread(target=train, args=[number]) for number in range(6)]
    for thread in trainers:
        thread.start()
    for thread in trainers:
        thread.join()
    assert faults == []
