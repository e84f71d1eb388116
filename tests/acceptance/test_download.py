"""Keras' own download: kept whole, and neither endless nor half done when it fails."""

import importlib
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.errors import DatasetUnavailable
from contract.experiment.datasets import Dataset, facts_for
from worker.training.data import download, image_files, keras_loaders
from worker.training.data.load import load


def test_a_refused_connection_says_what_was_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(DatasetUnavailable, match=r"keras\.datasets\.mnist could not") as failure:
        image_files.load("mnist", tmp_path / "data")
    assert "refused" in failure.value.message
    assert str(tmp_path / "data") in failure.value.hint
    assert list((tmp_path / "data").iterdir()) == []


def test_a_server_that_never_answers_does_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(DatasetUnavailable, match="no end after 10 s"):
            image_files.load("mnist", tmp_path, timeout_seconds=10)
        silent.settimeout(0)
        silent.accept()[0].close()  # Raises if nobody had come.
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_keras_does_not_know_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras would download over it."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    own = tmp_path / "reuters.npz"
    own.write_bytes(b"another file")
    dataset = Dataset(name="reuters")
    with pytest.raises(DatasetUnavailable, match="is not Keras' own file") as failure:
        load(dataset, facts_for(dataset), tmp_path)
    assert "refused" in failure.value.message
    assert own.read_bytes() == b"another file"
    assert list(tmp_path.iterdir()) == [own]


def ragged(*rows: list[int]) -> Any:
    made = np.empty(len(rows), object)
    made[:] = rows
    return made


LONG, SHORT = [5, 9, 1, 30, 12, 7], [2, 40]
X, Y = ragged(LONG, SHORT, [3], LONG[::-1], [8] * 9), np.array([1, 0, 2, 1, 0])
FILES: dict[str, dict[str, Any]] = {
    "imdb": {"x_train": X, "y_train": Y % 2, "x_test": X[:3], "y_test": Y[:3] % 2},
    "reuters": {"x": X, "y": Y},
    "california_housing": {"x": np.arange(80.0).reshape(10, 8), "y": np.arange(10.0)},
}


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("imdb", None), ("imdb", "multi_hot"), ("reuters", "ids"), ("california_housing", None)],
)
def test_texts_and_tables_are_what_keras_loaders_give(
    name: str, encoding: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a small file in the layout of Keras' own, which is kept as it came."""
    monkeypatch.setenv("KERAS_HOME", "")

    def received(fname: str, origin: str, file_hash: str) -> str:
        assert origin.endswith(fname)
        assert len(file_hash) == 64
        file = Path(os.environ["KERAS_HOME"]) / "datasets" / fname
        np.savez(file, allow_pickle=True, **FILES[name])
        return str(file)

    monkeypatch.setattr(f"keras.src.datasets.{name}.get_file", received)
    options: dict[str, Any] = {"encoding": encoding, "length": 4}
    if name != "california_housing":
        options["num_words"] = 12
    folder, made = tmp_path / "data", tmp_path / "made.npz"
    before = socket.getdefaulttimeout()
    try:
        keras_loaders.main(name, folder / f"{name}.npz", made, options)
        (tmp_path / "datasets").mkdir()
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        loader = importlib.import_module(f"keras.datasets.{name}").load_data
        parts = loader(num_words=12) if "num_words" in options else loader()
    finally:
        socket.setdefaulttimeout(before)
    with np.load(made, allow_pickle=False) as file:
        for part, (x, y) in zip(("train", "test"), parts, strict=True):
            found = file[f"x_{part}"]
            assert np.array_equal(file[f"y_{part}"], y)
            if "num_words" not in options:
                assert np.array_equal(found, x)
            elif encoding == "multi_hot":
                assert [np.flatnonzero(row).tolist() for row in found] == [
                    sorted(set(words)) for words in x
                ]
            else:
                assert found.tolist() == [[0, 0, 0, 0, *words][-4:] for words in x]
    assert [path.name for path in folder.iterdir()] == [f"{name}.npz"]
    assert sorted(np.load(folder / f"{name}.npz").files) == sorted(FILES[name])


def test_what_arrives_is_kept_in_keras_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = np.arange(12, dtype=np.uint8).reshape(3, 2, 2), np.arange(3, dtype=np.uint8)
    monkeypatch.setattr("keras.datasets.mnist.load_data", lambda: ((x, y), (x[:1], y[:1])))
    monkeypatch.setenv("KERAS_HOME", "")
    before = socket.getdefaulttimeout()
    try:
        download.main("mnist", tmp_path / "data" / "mnist.npz")
    finally:
        socket.setdefaulttimeout(before)
    with np.load(tmp_path / "data" / "mnist.npz", allow_pickle=False) as file:
        assert sorted(file.files) == sorted(image_files.ARRAYS)
        assert np.array_equal(file["x_train"], x)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["mnist.npz"]
