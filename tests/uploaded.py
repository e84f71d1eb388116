"""Uploaded datasets as a worker meets them: a file, and what is known of it."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from contract.experiment.datasets import Facts, Task, Upload

Array = np.ndarray[Any, Any]
ID = f"ds_{'0' * 26}"
KEY = f"datasets/{ID}.npz"
TRAIN, TEST, FEATURES = 150, 45, 6


WEIGHTS = np.random.default_rng(1).exponential(size=TRAIN).astype(np.float32)


def facts(task: Task) -> Facts:
    """Three classes, four labels, or two targets of very different sizes."""
    return Facts(
        task=task,
        shape=(FEATURES,),
        classes=3 if task == "classification" else None,
        train_examples=TRAIN,
        test_examples=TEST,
        value_range=(-4.0, 4.0),
        bytes_per_value=4,
        source="upload",
        description="numbers from a seed",
        targets={"classification": 1, "multi_label": 4, "regression": 2}[task],
    )


def arrays(task: Task) -> dict[str, Array]:
    """Normal inputs, and labels that are linear in them but for some noise."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(TRAIN + TEST, FEATURES)).astype(np.float32)
    scores = x @ generator.normal(size=(FEATURES, 4)) + generator.normal(0, 0.3, (len(x), 4))
    y = {
        "classification": scores[:, :3].argmax(axis=1).astype(np.int32),
        # The last label is a rare one.
        "multi_label": (scores > [0, 0, 0, 3]).astype(np.int32),
        "regression": (scores[:, :2] * [1, 100] + [0, 500]).astype(np.float32),
    }[task]
    parts = {"x_train": x[:TRAIN], "y_train": y[:TRAIN]}
    return parts | {"x_test": x[TRAIN:], "y_test": y[TRAIN:]}


def write(path: Path, task: Task, **changes: Array) -> Upload:
    """The file at `path`, compressed as the API stores it; `changes` replace arrays, or
    are its weights."""
    np.savez_compressed(path, allow_pickle=False, **(arrays(task) | changes))
    found = replace(facts(task), weighted="w_train" in changes)
    return Upload(found, KEY, hashlib.sha256(path.read_bytes()).hexdigest())
