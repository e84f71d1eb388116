"""Keras' own download: kept whole, and neither endless nor half done when it fails."""

import socket
from pathlib import Path

import numpy as np
import pytest

from contract.errors import DatasetUnavailable
from worker.training.data import download, image_files


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
