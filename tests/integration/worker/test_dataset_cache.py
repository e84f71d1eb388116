"""Uploaded datasets on a node's disk: fetched once, checked each time, and never too many."""

import os
import threading
from pathlib import Path
from uuid import uuid4

import pytest

from contract.errors import DatasetUnavailable
from contract.experiment.datasets import Upload
from contract.store.artifacts import ArtifactStore
from tests import uploaded
from worker.trainer.dataset_cache import DatasetCache


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


@pytest.fixture
def cache(store: ArtifactStore, tmp_path: Path) -> DatasetCache:
    return DatasetCache(store, tmp_path / "cache")


def put(store: ArtifactStore, tmp_path: Path, content: bytes | None = None) -> Upload:
    """A dataset in the store; or any content, which the cache does not read."""
    file = tmp_path / "uploaded"
    upload = uploaded.write(tmp_path / "uploaded.npz", "classification")
    file.write_bytes((tmp_path / "uploaded.npz").read_bytes() if content is None else content)
    stored = store.put(f"datasets/{uuid4().hex}.npz", file)
    return Upload(upload.facts, stored.key, stored.sha256)


def kept(tmp_path: Path) -> set[str]:
    return {file.stem for file in (tmp_path / "cache").iterdir()}


def test_a_dataset_is_fetched_once(
    store: ArtifactStore, cache: DatasetCache, tmp_path: Path
) -> None:
    upload = put(store, tmp_path)
    cache.bring(upload, tmp_path / "first.npz")
    store.delete(upload.key)
    cache.bring(upload, tmp_path / "second.npz")
    expected = (tmp_path / "uploaded.npz").read_bytes()
    assert (tmp_path / "first.npz").read_bytes() == expected
    assert (tmp_path / "second.npz").read_bytes() == expected
    assert kept(tmp_path) == {upload.sha256}


def test_a_damaged_copy_is_fetched_again(
    store: ArtifactStore, cache: DatasetCache, tmp_path: Path
) -> None:
    upload = put(store, tmp_path)
    cache.bring(upload, tmp_path / "first.npz")
    (tmp_path / "first.npz").unlink()
    copy = tmp_path / "cache" / f"{upload.sha256}.npz"
    copy.write_bytes(copy.read_bytes()[:-1])
    cache.bring(upload, tmp_path / "second.npz")
    assert (tmp_path / "second.npz").read_bytes() == (tmp_path / "uploaded.npz").read_bytes()
    assert copy.samefile(tmp_path / "second.npz")


@pytest.mark.parametrize("lost", [True, False])
def test_what_the_store_lost_or_changed_is_unavailable(
    lost: bool, store: ArtifactStore, cache: DatasetCache, tmp_path: Path
) -> None:
    upload = put(store, tmp_path)
    file = tmp_path / "artifacts" / upload.key
    if lost:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[::-1])
    with pytest.raises(DatasetUnavailable, match="missing" if lost else "expected") as failure:
        cache.bring(upload, tmp_path / "target.npz")
    assert failure.value.code == "dataset_unavailable"
    assert "upload it again" in failure.value.hint
    assert kept(tmp_path) == set()


def test_a_store_that_is_away_is_no_fault_of_the_dataset(
    cache: DatasetCache, store: ArtifactStore, tmp_path: Path
) -> None:
    upload = put(store, tmp_path)
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="cache"):
        cache.bring(upload, tmp_path / "target.npz")


def test_what_was_not_used_for_longest_goes_first(store: ArtifactStore, tmp_path: Path) -> None:
    cache = DatasetCache(store, tmp_path / "cache", limit_bytes=250)
    uploads = [put(store, tmp_path, bytes([number]) * 100) for number in range(3)]
    for at, upload in enumerate(uploads[:2], 1):
        cache.bring(upload, tmp_path / "used")
        os.utime(tmp_path / "used", (at, at))
        (tmp_path / "used").unlink()
    for upload in (uploads[0], uploads[2]):
        cache.bring(upload, tmp_path / "used")
        (tmp_path / "used").unlink()
    assert kept(tmp_path) == {uploads[0].sha256, uploads[2].sha256}


def test_what_is_in_use_stays(store: ArtifactStore, tmp_path: Path) -> None:
    cache = DatasetCache(store, tmp_path / "cache", limit_bytes=1)
    uploads = [put(store, tmp_path, bytes([number]) * 100) for number in range(3)]
    used = [tmp_path / str(number) for number in range(3)]
    for upload, target in zip(uploads, used, strict=True):
        cache.bring(upload, target)
    assert kept(tmp_path) == {upload.sha256 for upload in uploads}
    used[1].unlink()
    cache.bring(put(store, tmp_path, b"one more"), tmp_path / "more")
    assert uploads[1].sha256 not in kept(tmp_path)
    assert {uploads[0].sha256, uploads[2].sha256} <= kept(tmp_path)


def test_many_may_fetch_and_drop_at_once(store: ArtifactStore, tmp_path: Path) -> None:
    """Each cache stands for a trainer; so small a limit makes each drop what it can."""
    contents = [bytes([number]) * 50_000 for number in range(4)]
    uploads = [put(store, tmp_path, content) for content in contents]
    faults: list[object] = []

    def train(trainer: int) -> None:
        cache = DatasetCache(store, tmp_path / "cache", limit_bytes=60_000)
        for round_ in range(50):
            number = (trainer + round_) % len(uploads)
            target = tmp_path / f"scratch-{trainer}-{round_}"
            try:
                cache.bring(uploads[number], target)
                if target.read_bytes() != contents[number]:
                    faults.append(number)
                target.unlink()
            except Exception as error:
                faults.append(error)

    trainers = [threading.Thread(target=train, args=[number]) for number in range(6)]
    for thread in trainers:
        thread.start()
    for thread in trainers:
        thread.join()
    assert faults == []
