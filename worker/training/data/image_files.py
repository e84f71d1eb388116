"""Datasets that come as a file: from the data folder, else downloaded into it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from contract.errors import DatasetUnavailable
from contract.experiment.datasets import CATALOGUE, Facts

Array = np.ndarray[Any, Any]
Pictures = tuple[Array, Array, Array, Array]
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
DOWNLOAD_SECONDS = 600.0
# The mean of all training pixels: what tells the real dataset from another of the same shape.
PIXEL_MEANS = {
    "mnist": 33.318421,
    "fashion_mnist": 72.940352,
    "cifar10": 120.707565,
    "cifar100": 121.936059,
}
_ROOT = Path(__file__).resolve().parents[3]


def load(name: str, data_dir: Path, timeout_seconds: float = DOWNLOAD_SECONDS) -> Pictures:
    """x_train, y_train, x_test, y_test of `data_dir`/`name`.npz, which has Keras' layout.

    Without that file it is downloaded first. Raises DatasetUnavailable.
    """
    path = data_dir / f"{name}.npz"
    if not path.exists():
        _download(name, path, timeout_seconds)
    try:
        return read(name, path)
    except Exception as error:  # whatever a damaged byte makes of zip and NumPy
        raise DatasetUnavailable(
            f"{path} is not the {name} dataset: {error}",
            "replace it with Keras' own file, or delete it to have it downloaded",
        ) from error


def read(name: str, path: Path) -> Pictures:
    """The arrays of a file. Raises ValueError and what NumPy raises where they are not `name`'s."""
    with path.open("rb") as whole, np.load(whole, allow_pickle=False) as file:
        x_train, y_train, x_test, y_test = (file[array] for array in ARRAYS)
    facts = CATALOGUE[name]
    _check(x_train, y_train, facts.train_examples, facts)
    _check(x_test, y_test, facts.test_examples, facts)
    mean = x_train.mean(dtype=np.float64)
    if abs(mean - PIXEL_MEANS[name]) > 0.001:
        raise ValueError(
            f"its training pixels have the mean {mean:.3f}, expected {PIXEL_MEANS[name]:.3f}"
        )
    return x_train, y_train.reshape(-1), x_test, y_test.reshape(-1)


def _check(x: Array, y: Array, examples: int, facts: Facts) -> None:
    expected = (examples, *facts.shape)
    if x.shape != expected or x.dtype != np.uint8:
        raise ValueError(f"expected uint8 pictures of shape {expected}, found {x.dtype} {x.shape}")
    if y.size != examples or y.dtype.kind not in "iu":
        raise ValueError(f"expected {examples} whole-number labels, found {y.dtype} {y.shape}")
    labels = np.unique(y)
    if not np.array_equal(labels, np.arange(facts.classes or 0)):
        raise ValueError(f"expected the labels 0 to {(facts.classes or 0) - 1}, found {labels}")


def _download(name: str, path: Path, timeout_seconds: float) -> None:
    failure = in_its_own_process(
        ["worker.training.data.download", name, str(path.absolute())], timeout_seconds
    )
    if failure:
        raise _unavailable(name, path, failure)


def in_its_own_process(command: Sequence[str], timeout_seconds: float) -> str:
    """Run a module with arguments: it can be ended in time, and keeps what is global to itself.

    Returns why it failed, in words; empty where it did not.
    """
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=_ROOT, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
    ) as child:  # fmt: skip
        try:
            _, stderr = child.communicate(timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            child.terminate()
            return f"no end after {timeout_seconds:.0f} s"
    if child.returncode == 0:
        return ""
    lines = stderr.decode(errors="replace").splitlines() or [f"status {child.returncode}"]
    return lines[-1]


def _unavailable(name: str, path: Path, reason: str) -> DatasetUnavailable:
    return DatasetUnavailable(
        f"{path} does not exist, and keras.datasets.{name} could not be downloaded: {reason}",
        f"put {name}.npz (arrays {', '.join(ARRAYS)}) into {path.parent}, the folder that "
        "PLATEAU_DATA_DIR names, or use the dataset digits, which needs no file",
    )
