"""Selecting, splitting, scaling, and laying out labels."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from contract.experiment.datasets import Task, facts_of
from contract.experiment.spec import Experiment, Validation
from tests import uploaded
from worker.training.data.load import Arrays, load
from worker.training.data.prepare import (
    Prepared,
    class_counts,
    input_scaling,
    lay_out,
    prepare,
    select,
    standard,
)

DENSE = {"type": "Dense", "units": 1}


def prepared(dataset: dict[str, Any], **training: Any) -> tuple[Prepared, Arrays]:
    settings = {"optimizer": {"type": "SGD"}, "loss": "mse", "epochs": 1, **training}
    experiment = Experiment.model_validate(
        {"name": "t", "dataset": dataset, "model": {"layers": [DENSE]}, "training": settings}
    )
    facts = facts_of(experiment.dataset.name)
    arrays = load(experiment.dataset, facts, Path("none"))
    return prepare(experiment, facts, arrays), arrays


def test_all_of_a_dataset_stays_in_its_order() -> None:
    data, arrays = prepared({"name": "iris"})
    assert np.array_equal(data.train.x, arrays.x_train)
    assert np.array_equal(data.train.y, arrays.y_train)
    assert data.validation is data.test


def test_pictures_stay_bytes() -> None:
    data, _ = prepared({"name": "digits", "scaling": "unit"})
    assert data.train.x.dtype == np.uint8


def test_a_limit_is_the_same_examples_for_every_seed() -> None:
    first, _ = prepared({"name": "iris", "limit": 20}, seed=1)
    second, arrays = prepared({"name": "iris", "limit": 20}, seed=2)
    assert np.array_equal(first.train.x, second.train.x)
    assert first.train.x.shape == (20, 4)
    assert not np.array_equal(first.train.x, arrays.x_train[:20])
    more, _ = prepared({"name": "iris", "limit": 1000})
    assert len(more.train.x) == 120


def test_a_split_holds_out_the_last_of_a_shuffle() -> None:
    validation = Validation(on="split", fraction=0.25)
    kept, held_out = select(101, 50, validation)
    whole, nothing = select(101, 50, Validation(on="test"))
    examples = np.arange(101)
    sizes = [len(examples[part]) for part in (kept, held_out, whole, nothing)]
    assert sizes == [37, 13, 50, 0]
    assert [*examples[kept], *examples[held_out]] == [*examples[whole]]
    assert len({*examples[whole]}) == 50


def test_no_validation() -> None:
    data, _ = prepared({"name": "iris"}, validation={"on": "none"})
    assert data.validation is None


@pytest.mark.parametrize(
    ("scaling", "low", "high"), [("none", 0, 255), ("unit", 0, 1), ("symmetric", -1, 1)]
)
def test_scaling_by_the_documented_range(scaling: Any, low: float, high: float) -> None:
    pixels = np.arange(256, dtype=np.uint8)
    scaled = input_scaling(scaling, pixels, (0, 255))(pixels)
    assert scaled.dtype == np.float32
    assert (scaled.min(), scaled.max()) == (low, high)
    assert np.allclose(np.diff(scaled), (high - low) / 255)


def test_unit_scaling_is_the_division_that_scripts_write() -> None:
    pixels = np.arange(256, dtype=np.uint8)
    expected = pixels.astype(np.float32) / 255
    assert np.array_equal(input_scaling("unit", pixels, (0, 255))(pixels), expected)


def test_standard_scaling_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(1000, [0.1, 10, 1000], (9000, 3)).astype(np.float32)
    expected = StandardScaler().fit(x)
    fitted = standard(x)
    assert fitted.offset == pytest.approx(expected.mean_, rel=1e-6)
    assert fitted.scale == pytest.approx(expected.scale_, rel=1e-4)


def test_constant_features_become_zero() -> None:
    x = np.full((10, 2), 0.1, np.float32)
    x[:, 1] = np.arange(10)
    scaled = standard(x)(x)
    assert np.allclose(scaled[:, 0], 0, atol=1e-7)
    assert scaled[:, 1].std() == pytest.approx(1)


def test_standard_scaling_is_fitted_on_the_training_part_alone() -> None:
    data, _ = prepared({"name": "wine", "scaling": "standard"}, validation={"on": "split"})
    assert data.inputs(data.train.x).mean(axis=0) == pytest.approx(np.zeros(13), abs=1e-5)
    assert data.validation is not None
    assert abs(data.inputs(data.validation.x).mean(axis=0)).max() > 0.01


def test_balanced_classes_are_those_of_scikit_learn_in_the_training_part() -> None:
    dataset = {"name": "digits", "limit": 60}
    for validation in ({"on": "split", "fraction": 0.5}, {"on": "test"}):
        data, _ = prepared(dataset, validation=validation, class_weight="balanced")
        expected = compute_sample_weight("balanced", data.train.y)
        assert data.train.weights is not None
        assert np.array_equal(data.train.weights, expected.astype(np.float32))
        assert data.test.weights is None
        assert data.validation is not None
        assert data.validation.weights is None
    plain, _ = prepared(dataset)
    assert plain.train.weights is None


def test_weights_go_with_their_examples() -> None:
    """A limit and a split choose among both alike."""
    arrays = uploaded.arrays("regression")
    weights = arrays["x_train"][:, 0] + 10
    for told, expected in (("on", True), ("off", False)):
        training = {"sample_weight": told, "validation": {"on": "split", "fraction": 0.3}}
        experiment = Experiment.model_validate(
            {
                "name": "t",
                "dataset": {"name": uploaded.ID, "limit": 50},
                "model": {"layers": [DENSE]},
                "training": {"optimizer": {"type": "SGD"}, "loss": "mse", "epochs": 1, **training},
            }
        )
        facts = replace(uploaded.facts("regression"), weighted=True)
        part = prepare(experiment, facts, Arrays(**arrays, w_train=weights)).train
        assert len(part.x) == 35
        assert (part.weights is not None) == expected
        if part.weights is not None:
            assert np.array_equal(part.weights, part.x[:, 0] + 10)


def test_targets_are_scaled_where_asked() -> None:
    plain, arrays = prepared({"name": "diabetes"})
    assert np.array_equal(plain.train.y, arrays.y_train)
    scaled, _ = prepared({"name": "diabetes", "target_scaling": "standard"})
    assert scaled.train.y.mean() == pytest.approx(0, abs=1e-6)
    assert scaled.train.y.std() == pytest.approx(1, rel=1e-6)
    back = scaled.test.y * scaled.targets.scale + scaled.targets.offset
    assert back == pytest.approx(arrays.y_test, rel=1e-5)


def prepared_upload(task: Task, **fields: Any) -> tuple[Prepared, dict[str, Any]]:
    dataset = {"name": uploaded.ID, **fields}
    experiment = Experiment.model_validate(
        {
            "name": "t",
            "dataset": dataset,
            "model": {"layers": [DENSE]},
            "training": {"optimizer": {"type": "SGD"}, "loss": "mse", "epochs": 1},
        }
    )
    arrays = uploaded.arrays(task)
    return prepare(experiment, uploaded.facts(task), Arrays(**arrays)), arrays


def test_each_target_is_scaled_on_its_own() -> None:
    data, arrays = prepared_upload("regression", target_scaling="standard")
    assert data.train.y.mean(axis=0) == pytest.approx([0, 0], abs=1e-6)
    assert data.train.y.std(axis=0) == pytest.approx([1, 1], rel=1e-6)
    assert data.targets.scale[1] > 50 * data.targets.scale[0]
    back = data.test.y * data.targets.scale + data.targets.offset
    assert back == pytest.approx(arrays["y_test"], rel=1e-5, abs=1e-5)


def test_the_scaling_is_saved_as_it_is_applied(tmp_path: Path) -> None:
    data, arrays = prepared_upload("regression", scaling="standard", target_scaling="standard")
    with np.load(data.save_scaling(tmp_path), allow_pickle=False) as saved:
        kept = {name: saved[name] for name in saved}
    assert {name: array.shape for name, array in kept.items()} == {
        "input_offset": (6,),
        "input_scale": (6,),
        "target_offset": (2,),
        "target_scale": (2,),
    }
    scaled = (arrays["x_test"] - kept["input_offset"]) / kept["input_scale"]
    assert np.array_equal(scaled, data.inputs(data.test.x))
    targets = (arrays["y_test"] - kept["target_offset"]) / kept["target_scale"]
    assert np.array_equal(targets, data.test.y)


def test_unit_scaling_is_saved_as_two_numbers(tmp_path: Path) -> None:
    data, _ = prepared_upload("classification", scaling="unit")
    with np.load(data.save_scaling(tmp_path), allow_pickle=False) as saved:
        kept = {name: float(saved[name]) for name in saved}
    assert kept == {"input_offset": -4, "input_scale": 8, "target_offset": 0, "target_scale": 1}


def test_class_counts_are_those_of_the_classes_or_labels() -> None:
    labels = np.array([2, 0, 2], np.int32)
    assert class_counts(labels, uploaded.facts("classification")) == [1, 0, 2]
    rows = np.array([[1, 0, 1, 0], [1, 0, 0, 0]], np.int32)
    assert class_counts(rows, uploaded.facts("multi_label")) == [2, 0, 1, 0]
    assert class_counts(rows.astype(np.float32), uploaded.facts("regression")) == []


def test_labels_are_laid_out_for_the_loss() -> None:
    labels = np.array([2, 0], np.int32)
    assert lay_out(labels, "sparse", 3).tolist() == [2, 0]
    assert lay_out(labels, "one_hot", 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert lay_out(labels, "values", 3).tolist() == [[2], [0]]
    assert lay_out(np.array([1.5]), "values", None).dtype == np.float32
    rows = np.array([[1, 0], [1, 1], [0, 0]], np.int32)
    assert lay_out(rows, "values", None).tolist() == rows.tolist()
    assert lay_out(rows, "values", None).dtype == np.float32
