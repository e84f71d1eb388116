"""The datasets that need no file, and the checks on those that are one."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from contract.errors import DatasetUnavailable
from contract.experiment.datasets import CATALOGUE, Dataset, DatasetName, Task, facts_for
from tests import uploaded
from worker.training.data import image_files
from worker.training.data.generated import CHARACTERS
from worker.training.data.load import enlarge, load

NO_FILES = Path("none")
BUNDLED = [name for name, facts in CATALOGUE.items() if facts.source != "file"]


@pytest.mark.parametrize("name", BUNDLED)
def test_a_dataset_is_what_the_catalogue_says(name: DatasetName) -> None:
    facts = CATALOGUE[name]
    arrays = load(Dataset(name=name), CATALOGUE[name], NO_FILES)
    assert arrays.x_train.shape == (facts.train_examples, *facts.shape)
    assert arrays.x_test.shape == (facts.test_examples, *facts.shape)
    assert arrays.x_train.dtype == arrays.x_test.dtype
    assert arrays.x_train.dtype.itemsize == facts.bytes_per_value
    low, high = facts.value_range
    both = np.concatenate([arrays.x_train, arrays.x_test])
    assert low <= both.min()
    assert both.max() <= high
    assert both.dtype == facts.dtype
    if facts.whole_range is not None:
        assert (both.min(), both.max()) == facts.whole_range
    for y, n in ((arrays.y_train, facts.train_examples), (arrays.y_test, facts.test_examples)):
        assert y.shape == (n, *facts.label_shape)
        assert y.dtype == (np.float32 if facts.classes is None else np.int32)
        if facts.target_range is not None:
            assert (y.min(), y.max()) == facts.target_range
        if facts.per_place:
            assert np.array_equal(np.unique(y), [0, *range(2, 12)])  # no answer has a +
        elif facts.classes is not None:
            shares = np.bincount(y, minlength=facts.classes) / n
            whole = np.bincount(np.concatenate([arrays.y_train, arrays.y_test])) / len(both)
            assert shares == pytest.approx(whole, abs=1 / n)


@pytest.mark.parametrize("name", BUNDLED)
def test_loading_twice_gives_the_same(name: DatasetName) -> None:
    first, second = (load(Dataset(name=name), CATALOGUE[name], NO_FILES) for _ in range(2))
    assert np.array_equal(first.x_train, second.x_train)
    assert np.array_equal(first.y_test, second.y_test)


def test_digits_are_enlarged_bilinearly() -> None:
    """The corners stay, and what lies halfway between two pixels is their mean."""
    picture = np.zeros((1, 8, 8), np.int64)
    picture[0, 0, 0] = picture[0, 7, 7] = picture[0, 3, 3] = 16
    large = enlarge(picture, 15)[0]
    assert (large[0, 0], large[14, 14], large[6, 6]) == (255, 255, 255)
    assert (large[0, 1], large[1, 1], large[6, 7]) == (128, 64, 128)
    arrays = load(Dataset(name="digits"), CATALOGUE["digits"], NO_FILES)
    assert (arrays.x_train.min(), arrays.x_train.max()) == (0, 255)


@pytest.mark.parametrize("name", ["circles", "moons", "blobs"])
def test_generated_sets_take_samples_noise_and_seed(name: DatasetName) -> None:
    def x(**fields: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        dataset = Dataset.model_validate({"name": name, "samples": 51, **fields})
        arrays = load(dataset, CATALOGUE[name], NO_FILES)
        assert len(arrays.x_train) == dataset.train_examples(CATALOGUE[name]) == 41
        assert len(arrays.x_test) == dataset.test_examples(CATALOGUE[name]) == 10
        return arrays.x_train

    assert np.array_equal(x(), x(seed=0))
    assert not np.array_equal(x(), x(seed=1))
    assert not np.array_equal(x(), x(noise=0.3))


def text(row: np.ndarray[Any, Any]) -> str:
    return "".join(CHARACTERS[number] for number in row)


@pytest.mark.parametrize(("digits", "samples"), [(1, 55), (2, 5050), (3, 2000), (9, 100)])
def test_each_addition_is_right_and_comes_once(digits: int, samples: int) -> None:
    """There are 55 and 5,050 of numbers with one digit and with two."""
    made = {"name": "addition", "digits": digits, "samples": samples, "encoding": "ids"}
    dataset = Dataset.model_validate(made)
    arrays = load(dataset, facts_for(dataset), NO_FILES)
    seen = set()
    for part in ("train", "test"):
        x, y = getattr(arrays, f"x_{part}"), getattr(arrays, f"y_{part}")
        assert (x.shape[1], y.shape[1]) == (2 * digits + 1, digits + 1)
        for question, answer in zip(x, y, strict=True):
            one, other = map(int, text(question).split("+"))
            assert text(question) == f"{one}+{other}".ljust(2 * digits + 1)
            assert text(answer) == str(one + other).ljust(digits + 1)
            assert max(one, other) < 10**digits
            seen.add(frozenset((one, other)))
    assert len(seen) == samples
    reseeded = dataset.model_copy(update={"seed": 1})
    assert not np.array_equal(load(reseeded, facts_for(reseeded), NO_FILES).x_train, arrays.x_train)
    one_hot = dataset.model_copy(update={"encoding": None})
    shown = load(one_hot, facts_for(one_hot), NO_FILES).x_test
    assert np.array_equal(shown.argmax(-1), arrays.x_test)
    assert np.all(shown.sum(-1) == 1)


def test_a_film_is_answered_by_itself_one_picture_later() -> None:
    made = {"name": "moving_squares", "samples": 40, "frames": 5, "side": 16, "noise": 0.0}
    dataset = Dataset.model_validate(made)
    arrays = load(dataset, facts_for(dataset), NO_FILES)
    assert arrays.x_train.shape == arrays.y_train.shape == (32, 5, 16, 16, 1)
    assert np.array_equal(arrays.x_train[:, 1:], arrays.y_train[:, :-1])
    assert np.array_equal(np.unique(arrays.y_train), [0, 1])
    moved = (arrays.x_train != arrays.y_train).any(axis=(2, 3, 4))
    assert 0.9 < moved.mean() <= 1
    noisy = dataset.model_copy(update={"noise": 0.2})
    seen = load(noisy, facts_for(noisy), NO_FILES)
    assert np.array_equal(seen.y_train, arrays.y_train)
    inside = (seen.x_train > 0) & (seen.x_train < 1)
    error = (seen.x_train - arrays.x_train)[inside]
    assert np.abs(error).mean() == pytest.approx(0.2 * np.sqrt(2 / np.pi), rel=0.1)


def mnist_like(folder: Path, **changes: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Path:
    """A file that has everything of mnist.npz but the pictures' contents."""
    arrays = {
        "x_train": np.zeros((60_000, 28, 28), np.uint8),
        "y_train": np.resize(np.arange(10, dtype=np.uint8), 60_000),
        "x_test": np.zeros((10_000, 28, 28), np.uint8),
        "y_test": np.resize(np.arange(10, dtype=np.uint8), 10_000),
    }
    path = folder / "mnist.npz"
    np.savez_compressed(path, allow_pickle=False, **{**arrays, **changes})
    return path


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, "mean 0.000, expected 33.318"),
        ({"x_test": np.zeros((10, 28, 28), np.uint8)}, r"found uint8 \(10, 28, 28\)"),
        ({"x_train": np.zeros((60_000, 28, 28), np.float16)}, "found float16"),
        ({"y_train": np.zeros(60_000, np.uint8)}, r"labels 0 to 9, found \[0\]"),
        ({"y_test": np.zeros(3, np.uint8)}, "10000 whole-number labels"),
    ],
)
def test_a_file_with_other_contents_is_refused(
    changes: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]], found: str, tmp_path: Path
) -> None:
    mnist_like(tmp_path, **changes)
    with pytest.raises(DatasetUnavailable, match=found) as refusal:
        load(Dataset(name="mnist"), CATALOGUE["mnist"], tmp_path)
    assert "delete it to have it downloaded" in refusal.value.hint


def test_a_damaged_file_is_an_error_not_a_reason_to_download(tmp_path: Path) -> None:
    path = mnist_like(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatasetUnavailable, match="is not the mnist dataset"):
        load(Dataset(name="mnist"), CATALOGUE["mnist"], tmp_path)


def test_pickles_are_not_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mnist.npz", "w") as file:
        for name in image_files.ARRAYS:
            content = io.BytesIO()
            np.save(content, np.array([{}], object), allow_pickle=True)
            file.writestr(f"{name}.npy", content.getvalue())
    with pytest.raises(DatasetUnavailable, match="allow_pickle=False"):
        load(Dataset(name="mnist"), CATALOGUE["mnist"], tmp_path)


@pytest.mark.parametrize("task", get_args(Task))
def test_an_uploaded_set_is_its_arrays(task: Task, tmp_path: Path) -> None:
    upload = uploaded.write(tmp_path / "d.npz", task)
    found = load(Dataset(name=uploaded.ID), upload.facts, NO_FILES, tmp_path / "d.npz")
    expected = uploaded.arrays(task)
    assert found.w_train is None
    assert {name: getattr(found, name).dtype for name in expected} == {
        name: array.dtype for name, array in expected.items()
    }
    assert all(np.array_equal(getattr(found, name), expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("task", "name", "array", "said"),
    [
        ("classification", "x_test", np.zeros((45, 5), np.float32), r"found float32 \(45, 5\)"),
        ("classification", "x_train", np.zeros((150, 6)), "found float64"),
        ("classification", "y_train", np.zeros((150, 1), np.int32), r"found int32 \(150, 1\)"),
        ("classification", "y_test", np.zeros(45, np.int64), "found int64"),
        ("multi_label", "y_test", np.zeros(45, np.int32), r"int32 labels \(45, 4\), found int32"),
        ("regression", "y_test", np.zeros(45, np.float32), r"float32 labels \(45, 2\), found"),
        ("regression", "y_test", np.array([{}] * 45), "allow_pickle=False"),
    ],
)
def test_an_uploaded_set_that_is_not_what_its_facts_say(
    task: Task, name: str, array: uploaded.Array, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "d.npz"
    np.savez(file, allow_pickle=True, **(uploaded.arrays(task) | {name: array}))
    with pytest.raises(DatasetUnavailable, match=said):
        load(Dataset(name=uploaded.ID), uploaded.facts(task), NO_FILES, file)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (uploaded.WEIGHTS, None),
        (uploaded.WEIGHTS[1:], r"float32 weights \(150,\), found float32 \(149,\)"),
        (uploaded.WEIGHTS.astype(np.float64), "found float64"),
    ],
)
def test_weights_are_of_the_training_examples(
    weights: uploaded.Array, said: str | None, tmp_path: Path
) -> None:
    facts = replace(uploaded.facts("regression"), weighted=True)
    uploaded.write(tmp_path / "d.npz", "regression", w_train=weights)
    if said is None:
        found = load(Dataset(name=uploaded.ID), facts, NO_FILES, tmp_path / "d.npz")
        assert found.w_train is not None
        assert np.array_equal(found.w_train, weights)
        return
    with pytest.raises(DatasetUnavailable, match=said):
        load(Dataset(name=uploaded.ID), facts, NO_FILES, tmp_path / "d.npz")


def test_a_damaged_upload_is_an_error(tmp_path: Path) -> None:
    upload = uploaded.write(tmp_path / "d.npz", "regression")
    content = (tmp_path / "d.npz").read_bytes()
    for damaged in (content[:-100], b"", content[:900] + b"\0" * 40 + content[940:]):
        (tmp_path / "d.npz").write_bytes(damaged)
        with pytest.raises(DatasetUnavailable, match="not what was stored"):
            load(Dataset(name=uploaded.ID), upload.facts, NO_FILES, tmp_path / "d.npz")


def test_mnist_is_mnist(mnist_dir: Path) -> None:
    arrays = load(Dataset(name="mnist"), CATALOGUE["mnist"], mnist_dir)
    assert arrays.x_train.std() == pytest.approx(78.567, abs=0.001)
    assert np.bincount(arrays.y_test).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
