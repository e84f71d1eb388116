"""Hostile uploads: refused, in little memory, and without a trace."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.datasets.reading.formats import Media
from api.datasets.reading.options import Wanted
from api.datasets.reading.read import Read
from contract.errors import DatasetRefused
from contract.experiment.datasets import Task
from tests.hostile_uploads import (
    CANARY,
    DEFLATED,
    STORED,
    Member,
    good_csv,
    good_npz,
    hostile_uploads,
    npy,
    zeros,
    zipped,
)
from tests.uploads import Array, arrays_of, growth, read_bytes

HOSTILE = {hostile.name: hostile for hostile in hostile_uploads()}
LABEL = Wanted(("label",))
MEGABYTE = 1 << 20
MOST_GROWTH = 50 * MEGABYTE
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")


def test_the_corpus_is_large_and_what_it_is_made_of_is_good(tmp_path: Path) -> None:
    assert len(HOSTILE) == len(list(hostile_uploads())) >= 50
    assert read_bytes(good_npz(), "npz", tmp_path).facts.classes == 2
    assert read_bytes(good_csv(), "csv", tmp_path, LABEL).facts.classes == 2


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_upload_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "made"
    folder.mkdir()
    hostile = HOSTILE[name]
    with pytest.raises(DatasetRefused) as refusal:
        read_bytes(hostile.make(), hostile.media, folder, Wanted(hostile.label))
    assert list(folder.iterdir()) == []
    assert not (tmp_path / CANARY).exists()
    assert 20 < len(str(refusal.value)) < 600
    str(refusal.value).encode()


@linux
def test_hostile_uploads_take_little_memory(tmp_path: Path) -> None:
    uploads: list[tuple[Media, Path, Wanted]] = []
    for number, hostile in enumerate(HOSTILE.values()):
        path = tmp_path / str(number)
        path.write_bytes(hostile.make())
        uploads.append((hostile.media, path, Wanted(hostile.label)))
    (tmp_path / "made").mkdir()
    told = dict(zip(HOSTILE, growth(uploads, tmp_path / "made"), strict=True))
    assert {name for name, (_, refusal) in told.items() if refusal is None} == set()
    assert {name: grown for name, (grown, _) in told.items() if grown > MOST_GROWTH} == {}
    assert list((tmp_path / "made").iterdir()) == []


def tall_table(path: Path) -> None:
    path.write_bytes(b"a,b,label\n" + b"1,,cat\n2,0,dog\n" * 150_000)


def wide_table(path: Path) -> None:
    header = ",".join(f"column {n}" for n in range(9_999))
    rows = (",".join([f"{n / 7:.17g}"] * 9_999) + f",{n % 2}\n" for n in range(60))
    path.write_text(f"{header},label\n{''.join(rows)}")


def arrays(x: Member, y: Member) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(zipped([x, y]))

    return write


def fortran(path: Path) -> None:
    random = np.random.default_rng(0)
    with path.open("wb") as file:
        np.savez(file, x=random.normal(size=(400, 20_000)).T, y=np.arange(20_000) % 1000)


def long_names(path: Path) -> None:
    rows = np.arange(150_000)
    with path.open("wb") as file:
        np.savez(file, x=rows, y=(rows % 1000).astype("U100"))


LARGE: dict[str, tuple[Media, Callable[[Path], None]]] = {
    "pictures": (
        "npz", arrays(zeros("x", "|u1", 300_000, (28, 28)), zeros("y", "|i1", 300_000, ()))
    ),
    "large examples": (
        "npz", arrays(zeros("x", "<f8", 40, (300_000,)), zeros("y", "<f8", 40, ()))
    ),
    "many examples": (
        "npz", arrays(zeros("x", "<f4", 1_500_000, ()), zeros("y", "<f8", 1_500_000, ()))
    ),
    "many labels": (
        "npz", arrays(zeros("x", "<f2", 60_000, (2,)), zeros("y", "|b1", 60_000, (1000,)))
    ),
    "long names": ("npz", long_names),
    "Fortran's order": ("npz", fortran),
    "many rows": ("csv", tall_table),
    "many columns": ("csv", wide_table),
}  # fmt: skip


@linux
@pytest.mark.parametrize("name", LARGE)
def test_large_uploads_take_little_memory(name: str, tmp_path: Path) -> None:
    """They would fill from 60 to 500 MB as arrays."""
    media, write = LARGE[name]
    path, folder = tmp_path / "received", tmp_path / "made"
    write(path)
    folder.mkdir()
    ((grown, refusal),) = growth([(media, path, LABEL if media == "csv" else Wanted())], folder)
    assert refusal is None
    assert grown < MOST_GROWTH


def check_any(content: bytes, media: Media, wanted: Wanted) -> None:
    """Refused without a trace, or a dataset that is what its facts say."""
    with TemporaryDirectory() as parent:
        folder = Path(parent) / "made"
        folder.mkdir()
        try:
            read = read_bytes(content, media, folder, wanted)
        except DatasetRefused as refusal:
            str(refusal).encode()
            assert list(folder.iterdir()) == []
            return
        assert list(folder.iterdir()) == [read.file]
        check_sound(read)


def check_sound(read: Read) -> None:
    facts, got = read.facts, arrays_of(read)
    row = facts.label_shape or (() if facts.targets == 1 else (facts.targets,))
    assert ("w_train" in got) == facts.weighted
    if facts.weighted:
        assert got["w_train"].shape == (facts.train_examples,)
        assert (np.isfinite(got["w_train"]) & (got["w_train"] >= 0)).all()
    for part, examples in (("train", facts.train_examples), ("test", facts.test_examples)):
        x, y = got[f"x_{part}"], got[f"y_{part}"]
        assert x.shape == (examples, *facts.shape)
        assert x.dtype == facts.dtype
        assert x.itemsize == facts.bytes_per_value
        assert y.shape == (examples, *row)
        assert y.dtype == (np.float32 if facts.task == "regression" else np.int32)
        if facts.task != "regression":
            assert 0 <= y.min() <= y.max() < (facts.classes or 2)
    low, high = facts.value_range
    assert -1e38 <= low < high <= 1e38
    json.loads(read.report.model_dump_json().encode())


@pytest.mark.parametrize("media", ["npz", "csv"])
@given(content=st.binary(max_size=2000))
def test_any_bytes(media: Media, content: bytes) -> None:
    check_any(content, media, LABEL if media == "csv" else Wanted())


TASKS = st.sampled_from([None, "classification", "multi_label", "regression"])
# Where, as a share of the length, how many bytes go, and what comes instead.
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from([0, 1, 1, 1, 4, 50]), st.binary(max_size=4)),
    min_size=1,
    max_size=3,
)


def edited(content: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    for share, gone, come in edits:
        at = int(share * len(content))
        content = content[:at] + come + content[at + gone :]
    return content


@settings(max_examples=200)
@given(method=st.sampled_from([STORED, DEFLATED]), edits=EDITS)
def test_a_damaged_archive(method: int, edits: list[tuple[float, int, bytes]]) -> None:
    check_any(edited(good_npz(method), edits), "npz", Wanted())


ARRAYS = [
    np.arange(60).reshape(20, 3).astype(dtype) for dtype in ("u1", "<f2", ">f4", "<f8", "<i8", "?")
] + [np.arange(20.0) % 2, np.arange(20) % 2, (np.arange(20) % 2).astype("U3"), np.eye(20, 4)]


@settings(max_examples=200)
@given(
    x=st.sampled_from(ARRAYS),
    y=st.sampled_from(ARRAYS),
    w=st.none() | st.sampled_from(ARRAYS),
    edits=EDITS,
    changed=st.sampled_from(["x", "y"]),
    task=TASKS,
)
def test_damaged_arrays_in_a_sound_archive(
    x: Array,
    y: Array,
    w: Array | None,
    edits: list[tuple[float, int, bytes]],
    changed: str,
    task: Task | None,
) -> None:
    """Half of the bytes are headers; the checksums are right."""
    contents = {"x": npy(x), "y": npy(y)} | ({} if w is None else {"w": npy(w)})
    changed = changed if w is None else "w"
    contents[changed] = edited(contents[changed], edits)
    members = [Member(f"{name}.npy".encode(), data) for name, data in contents.items()]
    check_any(zipped(members), "npz", Wanted(task=task))


TABLES = st.lists(
    st.sampled_from(
        [
            "a",
            "b",
            ",",
            "label",
            "\n",
            "\r",
            '"',
            "1",
            "0",
            "2.5",
            "-",
            "e9",
            "nan",
            "\0",
            "é",
            " ",
            "_",
        ]
    ),
    max_size=60,
).map("".join)


@settings(max_examples=150)
@given(
    rows=TABLES, edits=EDITS, task=TASKS, label=st.sampled_from(["label", "a", "a,b", "b,label"])
)
def test_damaged_tables(
    rows: str, edits: list[tuple[float, int, bytes]], task: Task | None, label: str
) -> None:
    wanted = Wanted(tuple(label.split(",")), task)
    check_any(edited(good_csv(), edits), "csv", wanted)
    check_any(good_csv() + rows.encode(), "csv", wanted)
    check_any(f"a,b,label\n{rows}".encode(), "csv", wanted)
