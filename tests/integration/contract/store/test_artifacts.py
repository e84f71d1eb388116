"""The artifact store on a disk, and on a file system that is not one."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fsspec import AbstractFileSystem, register_implementation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.store.artifacts import ArtifactDamaged, ArtifactStore, Stored

KEY = "jobs/job_1/checkpoints/1-1.npz"
CONTENT = b"weights" * 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def local(folder: Path) -> ArtifactStore:
    return ArtifactStore(str(folder))


@pytest.fixture(params=["folder", "file", "memory"])
def store(request: pytest.FixtureRequest, folder: Path) -> Iterator[ArtifactStore]:
    """`memory` stands for every file system that is not the local one."""
    urls = {"folder": str(folder), "file": f"file://{folder}", "memory": f"memory://{uuid4().hex}"}
    store = ArtifactStore(urls[request.param])
    yield store
    store.delete("jobs")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "source"
    file.write_bytes(CONTENT)
    return file


def read(store: ArtifactStore, key: str) -> bytes:
    with store.open(key) as file:
        return file.read()


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_was_put_can_be_fetched(store: ArtifactStore, source: Path, tmp_path: Path) -> None:
    stored = store.put(KEY, source)
    assert stored == Stored(KEY, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    store.fetch(stored.key, stored.sha256, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == CONTENT
    assert read(store, KEY) == CONTENT
    assert source.read_bytes() == CONTENT


def test_an_empty_file(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    stored = store.put(KEY, tmp_path / "empty")
    store.fetch(KEY, stored.sha256, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b""


def test_what_is_missing_is_damaged(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(ArtifactDamaged, match=f"{KEY} is missing"):
        store.fetch(KEY, "0" * 64, tmp_path / "target")
    with pytest.raises(FileNotFoundError), store.open(KEY):
        pass


def test_other_bytes_are_damaged(store: ArtifactStore, source: Path, tmp_path: Path) -> None:
    stored = store.put(KEY, source)
    source.write_bytes(CONTENT[:-1])
    store.put(KEY, source)
    with pytest.raises(ArtifactDamaged, match=f"{KEY} has sha256 .*expected {stored.sha256}"):
        store.fetch(KEY, stored.sha256, tmp_path / "target")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(place=st.integers(0, len(CONTENT) * 8 - 1), cut=st.booleans())
def test_no_flipped_bit_and_no_cut_goes_unseen(
    local: ArtifactStore, folder: Path, source: Path, tmp_path: Path, place: int, cut: bool
) -> None:
    stored = local.put(KEY, source)
    damaged = bytearray(CONTENT[: place // 8] if cut else CONTENT)
    if not cut:
        damaged[place // 8] ^= 1 << place % 8
    (folder / KEY).write_bytes(damaged)
    with pytest.raises(ArtifactDamaged):
        local.fetch(KEY, stored.sha256, tmp_path / "target")


def test_delete_takes_a_file_or_a_folder(store: ArtifactStore, source: Path) -> None:
    other = "jobs/job_2/model.keras"
    for key in (KEY, "jobs/job_1/checkpoints/1-2.npz", "jobs/job_1/1.keras", other):
        store.put(key, source)
    store.delete(KEY)
    store.delete("jobs/job_1/checkpoints")
    assert read(store, "jobs/job_1/1.keras") == CONTENT
    store.delete("jobs/job_1")
    for key in (KEY, "jobs/job_1/checkpoints/1-2.npz", "jobs/job_1/1.keras"):
        with pytest.raises(FileNotFoundError), store.open(key):
            pass
    assert read(store, other) == CONTENT


def test_delete_of_what_is_gone(store: ArtifactStore) -> None:
    store.delete(KEY)
    store.delete("jobs")


def test_put_leaves_no_other_file(local: ArtifactStore, folder: Path, source: Path) -> None:
    local.put(KEY, source)
    assert files(folder) == [KEY]


def test_a_full_disk_leaves_nothing_and_changes_nothing(
    local: ArtifactStore, folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No disk can be filled here; a sync that fails is how a full one shows late."""
    local.put(KEY, source)
    source.write_bytes(b"newer")

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        local.put(KEY, source)
    assert files(folder) == [KEY]
    assert read(local, KEY) == CONTENT


def test_the_bytes_are_on_the_disk_before_the_name(
    local: ArtifactStore, folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut may leave the old name or the new one, and never a name without its bytes."""
    synced: list[tuple[int, list[str]]] = []
    fsync = os.fsync

    def watch(handle: int) -> None:
        synced.append((os.fstat(handle).st_ino, files(folder) if folder.exists() else []))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watch)
    local.put(KEY, source)
    name_of = {path.stat().st_ino: path.name for path in (folder.parent, *folder.parent.rglob("*"))}
    assert [(name_of[inode], found) for inode, found in synced] == [
        (folder.parent.name, []),
        ("artifacts", []),
        ("jobs", []),
        ("job_1", []),
        ("1-1.npz", ["jobs/job_1/checkpoints/.1-1.npz.part"]),
        ("checkpoints", [KEY]),
    ]


class Away(AbstractFileSystem):
    """A store whose library has words of its own for being away."""

    protocol = "away"

    def get_file(self, *_: Any, **__: Any) -> None:
        raise LookupError("no route")

    put_file = _open = rm = get_file


def test_a_store_that_is_away_is_an_error_of_the_system(source: Path, tmp_path: Path) -> None:
    """Which gives jobs back, where any other would end them."""
    register_implementation("away", Away, clobber=True)
    store = ArtifactStore("away://somewhere")
    calls: list[Callable[[], object]] = [
        lambda: store.put(KEY, source),
        lambda: store.fetch(KEY, "0" * 64, tmp_path / "target"),
        lambda: store.delete(KEY),
        lambda: read(store, KEY),
    ]
    for call in calls:
        with pytest.raises(OSError, match="artifact store does not answer: no route"):
            call()
