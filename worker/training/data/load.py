"""Datasets as arrays: those of the catalogue, and uploaded ones."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets as sklearn_datasets
from sklearn.model_selection import train_test_split

from contract.errors import DatasetUnavailable
from contract.experiment.datasets import CATALOGUE, Dataset, Facts
from worker.training.data import image_files, keras_loaders
from worker.training.data.generated import generate

Array = np.ndarray[Any, Any]
SPLIT_SEED = 0
DIGITS_SIDE, DIGITS_PEAK = 8, 16


@dataclass(frozen=True)
class Arrays:
    """Inputs (n, *shape), uint8 for pictures, int32 for other whole numbers, else float32.

    Labels are int32, (n,) or (n, *places) for classes and (n, targets) for multi-label, targets of
    regression float32, of any shape. `w_train`, float32 (n,), weights the training examples.
    """

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    w_train: Array | None = None

    def by_name(self) -> dict[str, Array]:
        """Those that there are."""
        return {name: array for name, array in vars(self).items() if array is not None}


def load(dataset: Dataset, facts: Facts, data_dir: Path, upload: Path | None = None) -> Arrays:
    """The whole dataset, before `limit` and `scaling`; `upload` is the file of an uploaded one.

    Raises DatasetUnavailable where a file is missing and cannot be downloaded, or is damaged.
    """
    if upload is not None:
        return _uploaded(upload, facts)
    kind = np.int32 if facts.task == "classification" else np.float32
    if facts.source == "file":
        if dataset.name in image_files.PIXEL_MEANS:
            x_train, y_train, x_test, y_test = image_files.load(dataset.name, data_dir)
        else:
            x_train, y_train, x_test, y_test = keras_loaders.load(dataset, facts, data_dir)
            _check(x_train, y_train.astype(kind), facts.train_examples, facts)
            _check(x_test, y_test.astype(kind), facts.test_examples, facts)
    else:
        generated = facts.source == "generated"
        x, y = generate(dataset, facts) if generated else _bundled(dataset.name)
        x_train, x_test, y_train, y_test = train_test_split(
            x,
            y,
            test_size=dataset.test_examples(facts),
            random_state=dataset.seed or SPLIT_SEED,
            stratify=y if facts.task == "classification" and not facts.per_place else None,
        )
    return Arrays(x_train, y_train.astype(kind), x_test, y_test.astype(kind))


def _uploaded(file: Path, facts: Facts) -> Arrays:
    """The arrays that `contract.experiment.datasets.Upload` promises."""
    try:
        with file.open("rb") as whole, np.load(whole, allow_pickle=False) as npz:
            weights = ["w_train"] if facts.weighted else []
            arrays = Arrays(**{name: npz[name] for name in [*image_files.ARRAYS, *weights]})
        _check(arrays.x_train, arrays.y_train, facts.train_examples, facts)
        _check(arrays.x_test, arrays.y_test, facts.test_examples, facts)
        _check_weights(arrays.w_train, facts)
    except MemoryError:
        raise
    except Exception as error:  # whatever a damaged byte makes of zip and NumPy
        raise DatasetUnavailable(
            f"the uploaded dataset is not what was stored: {error}",
            "upload it again, and name the new one in the experiment",
        ) from error
    return arrays


def _check(x: Array, y: Array, examples: int, facts: Facts) -> None:
    if x.shape != (examples, *facts.shape) or x.dtype != facts.dtype:
        expected = (examples, *facts.shape)
        raise ValueError(f"expected {facts.dtype} {expected}, found {x.dtype} {x.shape}")
    kind = np.dtype(np.float32 if facts.task == "regression" else np.int32)
    shapes = {(examples, *facts.label_shape)}
    if not facts.label_shape and facts.task != "classification":
        shapes = {(examples, facts.targets)} | ({(examples,)} if facts.targets == 1 else set())
    if y.shape not in shapes or y.dtype != kind:
        raise ValueError(f"expected {kind} labels {max(shapes)}, found {y.dtype} {y.shape}")


def _check_weights(weights: Array | None, facts: Facts) -> None:
    if weights is None:
        return
    expected = (facts.train_examples,)
    if weights.shape != expected or weights.dtype != np.float32:
        found = f"{weights.dtype} {weights.shape}"
        raise ValueError(f"expected float32 weights {expected}, found {found}")


def _bundled(name: str) -> tuple[Array, Array]:
    if name == "digits":
        digits = sklearn_datasets.load_digits()
        return enlarge(digits.images.astype(np.int64), CATALOGUE["digits"].shape[0]), digits.target
    x, y = getattr(sklearn_datasets, f"load_{name}")(return_X_y=True)
    return x.astype(np.float32), y


def enlarge(pictures: Array, side: int) -> Array:
    """(n, 8, 8) integers 0-16 to (n, side, side) uint8 0-255, bilinear, corner on corner.

    In whole numbers, with weights in (side - 1)ths, so that every machine rounds alike.
    """
    whole, part = np.divmod(np.arange(side) * (DIGITS_SIDE - 1), side - 1)
    weights = np.zeros((side, DIGITS_SIDE), np.int64)
    weights[np.arange(side), whole] = side - 1 - part
    weights[np.arange(side), np.minimum(whole + 1, DIGITS_SIDE - 1)] += part
    brightness = weights @ pictures @ weights.T * 255
    peak = DIGITS_PEAK * (side - 1) ** 2
    return ((2 * brightness + peak) // (2 * peak)).astype(np.uint8)
