"""Texts and tables as Keras' own loaders give them: `python -m worker.training.data.keras_loaders`.

The file is that of the data folder, else it is downloaded into it. Keras tells by its hash whether
it is the one.
"""

import importlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from contract.errors import DatasetUnavailable
from contract.experiment.datasets import Dataset, Facts
from worker.training.data.download import STALL_SECONDS
from worker.training.data.image_files import (
    ARRAYS,
    DOWNLOAD_SECONDS,
    Array,
    Pictures,
    in_its_own_process,
)


def load(
    dataset: Dataset, facts: Facts, data_dir: Path, timeout_seconds: float = DOWNLOAD_SECONDS
) -> Pictures:
    """x_train, y_train, x_test, y_test; `facts` are those that the options of `dataset` make.

    Raises DatasetUnavailable.
    """
    name, path = dataset.name, (data_dir / f"{dataset.name}.npz").absolute()
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made.npz"
        options = {"encoding": dataset.encoding, "length": facts.shape[0]}
        if facts.whole_range is not None:
            options["num_words"] = dataset.num_words or facts.whole_range[1] + 1
        command = ["worker.training.data.keras_loaders", name, str(path), str(made)]
        failure = in_its_own_process([*command, json.dumps(options)], timeout_seconds)
        if failure:
            raise DatasetUnavailable(
                f"{path} does not exist, or is not Keras' own file, and keras.datasets.{name} "
                f"could not be downloaded: {failure}",
                f"put Keras' own {name}.npz into {path.parent}, the folder that PLATEAU_DATA_DIR "
                "names, or use a dataset that needs no file",
            )
        with np.load(made, allow_pickle=False) as file:
            x_train, y_train, x_test, y_test = (file[array] for array in ARRAYS)
    return x_train, y_train, x_test, y_test


def main(name: str, path: Path, made: Path, options: dict[str, Any]) -> None:
    """Write what the loader of `name` gives for the file `path` into the npz `made`.

    Where there is no such file it is kept when it was downloaded, whole or not at all. Takes its
    process for itself: Keras' home and the sockets' timeout are set for all of it.
    """
    socket.setdefaulttimeout(STALL_SECONDS)
    with tempfile.TemporaryDirectory(dir=made.parent) as folder:
        os.environ["KERAS_HOME"] = folder
        received = Path(folder) / "datasets" / path.name
        received.parent.mkdir()
        if kept := path.exists():
            shutil.copyfile(path, received)  # Keras writes over one that it does not know
        loader = importlib.import_module(f"keras.datasets.{name}").load_data
        words = {"num_words": options["num_words"]} if "num_words" in options else {}
        (x_train, y_train), (x_test, y_test) = loader(**words)
        arrays = {
            "x_train": _encoded(x_train, **options), "y_train": y_train,
            "x_test": _encoded(x_test, **options), "y_test": y_test,
        }  # fmt: skip
        np.savez(made, allow_pickle=False, **arrays)
        if not kept and received.exists():
            _keep(received, path)


def _encoded(x: Array, length: int, encoding: str | None, num_words: int | None = None) -> Array:
    """Rows of words as (n, length): padded or cut at the front, or a 1 for each word there is."""
    if num_words is None:
        return x.astype(np.float32)
    if encoding == "multi_hot":
        rows = np.zeros((len(x), num_words), np.uint8)
        for row, words in zip(rows, x, strict=True):
            row[np.asarray(words, int)] = 1
        return rows
    pad = importlib.import_module("keras.utils").pad_sequences
    padded: Array = pad(x, maxlen=length)
    return padded


def _keep(received: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as folder:
        part = Path(folder) / path.name
        shutil.copyfile(received, part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)


if __name__ == "__main__":
    # As an exception, so that what is half downloaded goes away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4]))
