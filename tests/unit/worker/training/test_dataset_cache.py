"""Decoded datasets on a node's disk: written once, checked, mapped, and never too many."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from contract.errors import DatasetUnavailable
from contract.experiment.datasets import CATALOGUE, Dataset
from tests import uploaded
from worker.training.data.dataset_cache import DatasetCache, Fetch
from worker.training.data.load import Arrays, load

FACTS = replace(uploaded.facts("classification"), weighted=True)
NO_FILES = Path("none")


def named(number: int) -> Dataset:
    return Dataset(name=f"ds_{number:026}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    uploaded.write(tmp_path / "dataset.npz", "classification", w_train=uploaded.WEIGHTS)
    return tmp_path / "dataset.npz"


def there(file: Path) -> Fetch:
    return lambda: nullcontext(file)


def read(folder: Path, file: Path, number: int = 0) -> Arrays:
    """With a cache of its own, as another process has."""
    return DatasetCache(folder).arrays(named(number), FACTS, NO_FILES, there(file))


def assert_loaded(arrays: Arrays, file: Path) -> None:
    expected = load(named(0), FACTS, NO_FILES, file)
    for name, values in vars(expected).items():
        assert np.array_equal(getattr(arrays, name), values)
        assert getattr(arrays, name).dtype == values.dtype


def test_arrays_are_mapped_from_one_file_for_all(tmp_path: Path, file: Path) -> None:
    assert_loaded(read(tmp_path / "kept", file), file)
    file.rename(tmp_path / "moved")
    second = read(tmp_path / "kept", file)
    assert isinstance(second.x_train, np.memmap)
    assert_loaded(second, tmp_path / "moved")


def test_what_one_process_writes_no_other_sees(tmp_path: Path, file: Path) -> None:
    read(tmp_path / "kept", file).x_train[:] = 0
    assert_loaded(read(tmp_path / "kept", file), file)


def test_options_of_one_value_are_two(tmp_path: Path, file: Path) -> None:
    other, heavier = tmp_path / "other.npz", 2 * uploaded.WEIGHTS
    uploaded.write(other, "classification", w_train=heavier)
    words, length = Dataset(name="imdb", num_words=500), Dataset(name="imdb", maxlen=500)
    found = []
    for dataset, source in ((words, file), (length, other)):
        cache = DatasetCache(tmp_path / "kept")
        found.append(cache.arrays(dataset, FACTS, NO_FILES, there(source)).by_name()["w_train"])
    assert np.array_equal(found[0], uploaded.WEIGHTS)
    assert np.array_equal(found[1], heavier)


def test_a_target_is_no_other_dataset(tmp_path: Path, file: Path) -> None:
    read(tmp_path / "kept", file)
    copied = named(0).model_copy(update={"target": "inputs", "scaling": "unit"})
    file.rename(tmp_path / "moved")
    found = DatasetCache(tmp_path / "kept").arrays(copied, FACTS, NO_FILES, there(file))
    assert_loaded(found, tmp_path / "moved")


@pytest.mark.parametrize("damage", [b"", b"no array at all"])
def test_damaged_files_are_decoded_again(tmp_path: Path, file: Path, damage: bytes) -> None:
    read(tmp_path / "kept", file)
    (tmp_path / "kept" / named(0).name / "y_test.npy").write_bytes(damage)
    assert_loaded(read(tmp_path / "kept", file), file)


def test_a_flipped_bit_is_found(tmp_path: Path, file: Path) -> None:
    read(tmp_path / "kept", file)
    kept = tmp_path / "kept" / named(0).name / "x_train.npy"
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.write_bytes(content)
    file.unlink()
    with pytest.raises(DatasetUnavailable):
        read(tmp_path / "kept", file)


def test_what_was_opened_longest_ago_goes_and_stays_readable(tmp_path: Path, file: Path) -> None:
    (unfinished := tmp_path / "kept" / ".unfinished" / "part").mkdir(parents=True)
    (unfinished / "x_train.npy").write_bytes(bytes(5_000))
    cache = DatasetCache(tmp_path / "kept", limit_bytes=9_000)  # one takes 6,500
    first = cache.arrays(named(0), FACTS, NO_FILES, there(file))
    cache.arrays(named(1), FACTS, NO_FILES, there(file))
    assert [kept.name for kept in (tmp_path / "kept").iterdir()] == [named(1).name]
    assert_loaded(first, file)


def test_a_process_keeps_the_last_ones(tmp_path: Path, file: Path) -> None:
    cache = DatasetCache(tmp_path / "kept")
    first = cache.arrays(named(0), FACTS, NO_FILES, there(file))
    assert cache.arrays(named(0), FACTS, NO_FILES, there(file)) is first
    for number in range(1, 5):
        cache.arrays(named(number), FACTS, NO_FILES, there(file))
    assert cache.arrays(named(0), FACTS, NO_FILES, there(file)) is not first


def test_cutting_and_scaling_take_the_same_arrays(tmp_path: Path) -> None:
    cache, facts = DatasetCache(tmp_path), CATALOGUE["moons"]
    first = cache.arrays(Dataset(name="moons", samples=40), facts, NO_FILES)
    cut = Dataset(name="moons", samples=40, limit=10, scaling="standard")
    assert cache.arrays(cut, facts, NO_FILES) is first
    other = Dataset(name="moons", samples=40, seed=1)
    assert not np.array_equal(cache.arrays(other, facts, NO_FILES).x_train, first.x_train)
