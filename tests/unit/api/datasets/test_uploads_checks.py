"""What is found in a dataset that is accepted all the same."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.datasets.reading.duplicates import hashes, repeated
from api.datasets.reading.options import Wanted
from api.datasets.reading.read import Read
from api.datasets.reading.workspace import Workspace
from contract.experiment.datasets import Task
from tests.uploads import Array, read_bytes

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4)).astype(np.float32)
OTHER = RANDOM.normal(size=(20, 4)).astype(np.float32)
Y = np.arange(60) % 2


def read_parts(
    folder: Path,
    x: Array = X,
    y: Array = Y,
    x_test: Array = OTHER,
    y_test: Array = Y[:20],
    task: Task | None = None,
) -> Read:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    return read_bytes(file.getvalue(), "npz", folder, Wanted(task=task))


def found(read: Read) -> dict[str, tuple[str, str]]:
    """Level and detail of each check that is not ok."""
    return {c.code: (c.level, c.detail) for c in read.report.checks if c.level != "ok"}


def changed(array: Array, value: Any, *places: Any) -> Array:
    array = array.copy()
    for place in places:
        array[place] = value
    return array


@pytest.mark.parametrize("y", [Y, X[:, 0], np.stack([Y, 1 - Y], 1) * 0 + Y[:, None]])
def test_nothing_is_found_in_good_data(y: Array, tmp_path: Path) -> None:
    read = read_parts(tmp_path, y=y, y_test=y[:20])
    assert found(read) == {}
    codes = [check.code for check in read.report.checks]
    assert len(codes) == len(set(codes))
    assert {"constant_columns", "duplicate_rows", "non_finite_inputs"} < set(codes)
    assert ("non_finite_targets" in codes) == (read.facts.task == "regression")
    assert ("labels_out_of_range" in codes) == (read.facts.task != "regression")


def test_constant_columns(tmp_path: Path) -> None:
    x = changed(changed(X, 7, np.s_[:, 1]), np.nan, np.s_[:, 3])
    level, detail = found(read_parts(tmp_path, x=x))["constant_columns"]
    assert (level, detail) == ("warning", "2 of 4 inputs never change in the training part")


def test_the_columns_of_a_table_are_named(tmp_path: Path) -> None:
    rows = "".join(f"{n},5,{n % 2},\n" for n in range(60))
    read = read_bytes(f"a,b,y,c\n{rows}".encode(), "csv", tmp_path, Wanted(("y",)))
    assert found(read).keys() == {"constant_columns", "non_finite_inputs"}
    assert found(read)["constant_columns"][1].endswith("'b', 'c'")
    assert found(read)["non_finite_inputs"][1].startswith("48 inputs for training and 12 for")


def test_black_borders_of_pictures_are_no_cause_for_worry(tmp_path: Path) -> None:
    x = changed(X.reshape(60, 2, 2), 0, np.s_[:, 0])
    read = read_parts(tmp_path, x=x, x_test=OTHER.reshape(20, 2, 2))
    assert found(read) == {}
    details = {check.code: check.detail for check in read.report.checks}
    assert details["constant_columns"].startswith("2 of 4 inputs")


@pytest.mark.parametrize(("copied", "level"), [(1, "warning"), (10, "warning"), (11, "error")])
def test_rows_in_both_parts(copied: int, level: str, tmp_path: Path) -> None:
    x_test = OTHER.copy()
    x_test[:copied] = X[5]
    x_test[0] = X[30]
    got = found(read_parts(tmp_path, x_test=x_test))
    assert got.keys() == {"duplicate_rows"}
    assert got["duplicate_rows"][0] == level
    assert got["duplicate_rows"][1].startswith(f"{copied} of 20 test examples")


def test_equal_rows_have_equal_hashes() -> None:
    rows = np.array([[0.0, 1], [-0.0, 1], [1, 0]], np.float32)
    first, second, third = hashes(rows).tolist()
    assert first == second != third
    assert len(set(hashes(np.eye(200, dtype=np.uint8)).tolist())) == 200
    assert len(hashes(rows[:0])) == 0


def test_repeated_rows_are_counted_however_many_there_are(tmp_path: Path) -> None:
    """More than are held in memory at once, so that several passes are made."""
    train, test = RANDOM.integers(0, 1 << 21, 300_000), RANDOM.integers(0, 1 << 21, 600_000)
    with Workspace(tmp_path) as workspace:
        spools = [workspace.spool(np.int64) for _ in range(2)]
        for spool, rows in zip(spools, (train, test), strict=True):
            spool.append(rows)
        assert repeated(*spools) == np.isin(test, train).sum()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_not_finite(value: float, tmp_path: Path) -> None:
    """They are kept, as the sender may have meant them, but are not part of the range."""
    x = changed(X, value, (0, 1), (5, 2))
    read = read_parts(tmp_path, x=x, x_test=changed(OTHER, value, (3, 3)))
    assert found(read).keys() == {"non_finite_inputs"}
    level, detail = found(read)["non_finite_inputs"]
    assert (level, detail[:42]) == ("error", "2 inputs for training and 1 for testing ar")
    finite = x[np.isfinite(x)]
    assert read.facts.value_range == (finite.min(), finite.max())
    with np.load(read.file) as file:
        assert np.array_equal(file["x_train"], x, equal_nan=True)


def test_targets_that_are_not_finite(tmp_path: Path) -> None:
    y = changed(X[:, :2], np.nan, (4, 1), (7, 1))
    read = read_parts(tmp_path, y=y, y_test=changed(OTHER[:, :2], np.inf, (0, 0)))
    level, detail = found(read)["non_finite_targets"]
    assert (level, detail[:44]) == ("error", "2 targets for training and 1 for testing are")
    assert read.report.train.targets is not None
    second = read.report.train.targets[1]
    assert second.mean == pytest.approx(np.nanmean(y[:, 1].astype(float)))
    assert (second.min, second.max) == (np.nanmin(y[:, 1]), np.nanmax(y[:, 1]))
    read.report.model_dump_json()


def test_a_target_without_a_finite_value(tmp_path: Path) -> None:
    read = read_parts(tmp_path, y=X[:, 0] * np.nan, y_test=OTHER[:, 0])
    assert found(read).keys() == {"non_finite_targets", "constant_targets"}
    assert read.report.train.targets is not None
    assert read.report.train.targets[0].mean is None


def test_a_target_that_never_changes(tmp_path: Path) -> None:
    read = read_parts(tmp_path, y=X[:, 0] * 0 + 0.5, y_test=OTHER[:, 0])
    assert found(read)["constant_targets"][0] == "error"


@pytest.mark.parametrize(
    ("task", "expected"), [(None, {"class_like_targets"}), ("regression", set())]
)
def test_targets_that_look_like_classes(
    task: Task | None, expected: set[str], tmp_path: Path
) -> None:
    read = read_parts(tmp_path, y=Y * 9.0, y_test=Y[:20] * 1.0, task=task)
    assert found(read).keys() == expected


def test_classes_that_training_does_not_have(tmp_path: Path) -> None:
    """They still are classes of the dataset: a model has an output for each."""
    y_test = changed(Y[:20], 4, 0)
    read = read_parts(tmp_path, y=Y, y_test=changed(y_test, -3, 1))
    assert read.facts.classes == 4
    assert found(read).keys() == {"labels_out_of_range", "class_imbalance"}
    assert found(read)["labels_out_of_range"][1].startswith("2 labels are in the test part alone")
    assert found(read)["labels_out_of_range"][1].endswith("'-3', '4'")


def test_labels_that_training_does_not_have(tmp_path: Path) -> None:
    y = np.stack([Y, Y * 0, Y], 1)
    read = read_parts(tmp_path, y=y, y_test=y[:20] * 0 + 1)
    assert found(read)["labels_out_of_range"][1].endswith("'1'")


@pytest.mark.parametrize(
    ("rare", "expected"),
    [(6, set()), (5, {"class_imbalance"}), (1, {"class_imbalance"})],
)
def test_class_imbalance(rare: int, expected: set[str], tmp_path: Path) -> None:
    """54 to 6 is 9 to 1; 55 to 5 is more than 10 to 1."""
    read = read_parts(tmp_path, y=(np.arange(60) < rare) * 1)
    assert found(read).keys() == expected


def test_a_quantity_taken_for_a_class(tmp_path: Path) -> None:
    read = read_parts(tmp_path, y=np.arange(60), y_test=np.arange(20))
    assert "task=regression" in found(read)["class_imbalance"][1]


def test_integers_that_float32_does_not_have(tmp_path: Path) -> None:
    x = np.arange(240).reshape(60, 4) + (1 << 24)
    assert found(read_parts(tmp_path, x=x))["rounded_values"][0] == "warning"
    assert found(read_parts(tmp_path, x=x * 1.0)) == {}
    assert found(read_parts(tmp_path, x=x - 240)) == {}
