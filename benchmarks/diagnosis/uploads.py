"""Datasets of the benchmark's own, as a user would upload them. Loads no TensorFlow."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.diagnosis import made, posted
from benchmarks.diagnosis.made import TEST, TRAIN
from contract.experiment.datasets import Facts

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Uploaded:
    """An npz file as `worker.training.data.load` reads it, and its facts."""

    id: str
    facts: Facts
    file: Path


# A set's place is its seed: a new one comes last.
MAKERS: dict[str, tuple[str, Callable[[np.random.Generator], tuple[Array, Array]]]] = {
    **made.MAKERS,
    **posted.MAKERS,
}


def uploaded(name: str, folder: Path) -> Uploaded:
    """The set `name` of MAKERS, always the same; its file lies in `folder`."""
    task, make = MAKERS[name]
    random = np.random.Generator(np.random.Philox(list(MAKERS).index(name)))
    x, y = make(random)
    x = x if x.dtype == np.uint8 else x.astype(np.float32)
    y = y.astype(np.float32 if task == "regression" else np.int32)
    file = folder / f"{name}.npz"
    arrays = {"x_train": x[:TRAIN], "y_train": y[:TRAIN], "x_test": x[TRAIN:], "y_test": y[TRAIN:]}
    if not file.exists():
        np.savez(file, allow_pickle=False, **arrays)
    facts = Facts(
        task=task,  # type: ignore[arg-type]
        shape=x.shape[1:],
        classes=int(y.max()) + 1 if task == "classification" else None,
        train_examples=TRAIN,
        test_examples=TEST,
        value_range=(0, 255) if x.dtype == np.uint8 else (float(x.min()), float(x.max())),
        bytes_per_value=x.dtype.itemsize,
        source="upload",
        description=str(make.__doc__),
        targets=y.shape[1] if y.ndim == 2 else 1,
    )
    return Uploaded(f"ds_{list(MAKERS).index(name):026}", facts, file)
