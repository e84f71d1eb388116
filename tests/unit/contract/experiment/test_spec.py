"""What an experiment may say, and where the fault lies in one that says something else."""

import copy
import json
import math
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from contract.errors import SpecRefused
from contract.experiment.datasets import CATALOGUE, Dataset, DatasetName, Upload, facts_of, split_at
from contract.experiment.spec import Experiment
from contract.settings import Settings
from contract.sizing.label_layout import label_layout
from contract.sizing.limits import check
from contract.store.documents import read
from tests import uploaded
from tests.strategies import experiments

BODY: dict[str, Any] = {
    "name": "relu-raw",
    "dataset": {"name": "mnist", "scaling": "none"},
    "model": {
        "layers": [
            {"type": "Flatten"},
            {"type": "Dense", "units": 100, "activation": "relu"},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ]
    },
    "training": {
        "optimizer": {"type": "SGD", "learning_rate": 0.01},
        "loss": "categorical_crossentropy",
        "batch_size": 100,
        "epochs": 15,
        "seed": 0,
        "validation": {"on": "test"},
    },
    "device": "any",
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """BODY with `value` at the dotted path; numbers are places in a list."""
    body = copy.deepcopy(BODY)
    part: Any = body
    *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in parents:
        part = part[step]
    part[last] = value
    return body


def parse(body: dict[str, Any]) -> Experiment:
    return Experiment.model_validate_json(json.dumps(body))


def test_the_example_of_the_design_is_an_experiment() -> None:
    experiment = parse(BODY)
    assert experiment.training.early_stopping is None
    assert experiment.training.shuffle
    assert experiment.tags == ()


def test_a_dataset_is_named_by_its_name_or_its_id() -> None:
    id_ = "ds_01JBQ4S1PD9YJ6M7XV1Q7Y5T3K"
    assert parse(changed("dataset.name", id_)).dataset.name == id_
    assert parse(changed("dataset.name", "moons")).dataset.name == "moons"


def test_the_facts_of_a_dataset_come_from_the_catalogue_or_with_its_upload() -> None:
    upload = Upload(uploaded.facts("multi_label"), uploaded.KEY, "0" * 64)
    stored = json.loads(json.dumps(upload.to_dict()))
    assert read(Upload, stored) == upload
    assert facts_of(uploaded.ID, stored) == upload.facts
    assert facts_of("mnist") == CATALOGUE["mnist"]
    with pytest.raises(SpecRefused, match=f"no uploaded dataset {uploaded.ID}") as refusal:
        facts_of(uploaded.ID)
    assert refusal.value.pointer == "/dataset/name"


@settings(max_examples=50)
@given(experiments())
def test_written_and_read_again_an_experiment_is_the_same(experiment: Experiment) -> None:
    assert Experiment.model_validate_json(experiment.model_dump_json()) == experiment


@settings(max_examples=50)
@given(experiments())
def test_the_experiments_that_other_tests_draw_are_within_the_budget(
    experiment: Experiment,
) -> None:
    found = check(experiment, facts_of(experiment.dataset.name), Settings())
    assert found.memory_bytes > 0
    assert found.layers[-1].output_shape == found.output_shape


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("colour", "red"),
        ("name", ""),
        ("name", "x" * 101),
        ("name", 7),
        ("tags", ["with space"]),
        ("tags", ["a"] * 21),
        ("device", "tpu"),
        ("dataset.name", "imagenet"),
        ("dataset.name", "ds_01JB"),
        ("dataset.name", f"ds_{'u' * 26}"),
        ("dataset.name", f"ds_{'0' * 26}\n"),
        ("dataset.scaling", "zscore"),
        ("dataset.limit", 0),
        ("model.layers", []),
        ("model.layers", [{"type": "Flatten"}] * 2001),
        ("model.layers.0.type", "Lambda"),
        ("model.layers.1.unit", 5),
        ("model.layers.1.units", "100"),
        ("model.layers.1.units", True),
        ("model.layers.1.units", 0),
        ("model.layers.1.units", 2.5),
        ("model.layers.1.units", 10**13),
        ("model.layers.1.activation", "rellu"),
        ("model.layers.1.use_bias", 1),
        ("model.layers.1.kernel_initializer", "he"),
        ("model.layers.1.bias_initializer", "orthogonal"),
        ("model.layers.1.kernel_regularizer", {"type": "L2", "l2": -1}),
        ("training.optimizer.type", "Lars"),
        ("training.optimizer.learning_rate", math.nan),
        ("training.optimizer.learning_rate", math.inf),
        ("training.optimizer.learning_rate", 0),
        ("training.optimizer.learning_rate", "0.1"),
        ("training.optimizer.momentum", 1),
        ("training.loss", "ctc"),
        ("training.loss", {"type": "Huber", "delta": 0}),
        ("training.epochs", 0),
        ("training.epochs", -1),
        ("training.epochs", 1e3),
        ("training.batch_size", 0),
        ("training.seed", -1),
        ("training.seed", 2**31),
        ("training.validation.on", "train"),
        ("training.validation.fraction", 0),
        ("training.validation.fraction", 1),
        ("training.early_stopping", {"monitor": "val f1"}),
        ("training.metrics", ["no_such"]),
        ("training.metrics", [{"type": "Precision", "thresholds": 2}]),
        ("training.metrics", [{"type": "AUC", "num_labels": 3}]),
        ("training.metrics", [{"type": "IoU", "num_classes": 3, "target_class_ids": [3]}]),
        ("training.early_stopping", {"patience": -1}),
    ],
)
def test_a_fault_is_named_by_its_field(path: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        parse(changed(path, value))
    # The tags of unions ("Dense") stand between the fields, in the order of the path.
    places = [tuple(map(str, error["loc"])) for error in caught.value.errors()]
    steps = path.removesuffix(".type").split(".")
    assert any(
        [step for step in place if step in steps][: len(steps)] == steps for place in places
    ), places


@pytest.mark.parametrize("missing", ["name", "dataset", "model", "training"])
def test_what_is_missing_is_named(missing: str) -> None:
    body = {name: value for name, value in BODY.items() if name != missing}
    with pytest.raises(ValidationError) as caught:
        parse(body)
    assert [(e["loc"], e["type"]) for e in caught.value.errors()] == [((missing,), "missing")]


DENSE = {"type": "Dense", "units": 1}
CONV = {"filters": 1, "kernel_size": 1}


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ({"type": "Dropout", "rate": 1.1}, "less than or equal to 1"),
        ({"type": "GaussianNoise", "stddev": 2}, "less than or equal to 1"),
        ({"type": "Clip", "x_min": 1, "x_max": 1}, "x_min must be below x_max"),
        ({"type": "Conv2D", "filters": 1, "kernel_size": [3]}, "missing"),
        ({"type": "Conv2D", "filters": 1, "kernel_size": 2**31}, "less than"),
        ({"type": "Conv2D", "filters": 1, "kernel_size": 3, "padding": "full"}, "valid"),
        ({**DENSE, "kernel_initializer": {"type": "STFT"}}, "Orthogonal"),
        ({**DENSE, "bias_initializer": "identity"}, "two axes; this one has 1"),
        ({**DENSE, "bias_initializer": {"type": "Orthogonal"}}, "two or more axes"),
        ({**DENSE, "bias_regularizer": {"type": "OrthogonalRegularizer"}}, "L1L2"),
        ({**DENSE, "activity_regularizer": {"type": "OrthogonalRegularizer"}}, "L1L2"),
        ({**DENSE, "bias_constraint": {"type": "MaxNorm", "axis": 1}}, "take 0 to 0"),
        ({**DENSE, "kernel_constraint": {"type": "UnitNorm", "axis": [0, -2]}}, "each once"),
        ({**DENSE, "kernel_constraint": {"type": "MinMaxNorm", "min_value": 2}}, "not be above"),
        ({**DENSE, "kernel_constraint": {"type": "MinMaxNorm", "rate": 2}}, "less than or equal"),
        ({"type": "Conv1D", **CONV, "kernel_initializer": "identity"}, "this one has 3"),
        ({"type": "Conv2D", **CONV, "kernel_constraint": {"type": "MaxNorm", "axis": 4}}, "to 3"),
        ({"type": "Conv3D", **CONV, "padding": "causal"}, "valid"),
        ({"type": "Conv3D", **CONV, "kernel_size": [1, 1]}, "missing"),
        ({"type": "SeparableConv1D", **CONV, "pointwise_initializer": "identity"}, "has 3"),
        ({"type": "UpSampling1D", "size": [2]}, "valid integer"),
        ({"type": "Permute", "dims": [1, 1]}, "each axis from 1 on once"),
        ({"type": "Cropping3D", "cropping": [1, 2]}, "missing"),
        ({"type": "Cropping2D", "cropping": [[1, 2], 3]}, "list"),
        ({"type": "EinsumDense", "equation": "ab,bc", "output_shape": 1}, "of the form"),
        ({"type": "EinsumDense", "equation": "...ab...,bc->ac", "output_shape": 1}, "of the form"),
        ({"type": "EinsumDense", "equation": "ab,ac->ac", "output_shape": 1}, "the batch"),
        ({"type": "EinsumDense", "equation": "ab,bc->ca", "output_shape": 1}, "the batch"),
        ({"type": "EinsumDense", "equation": "abb,bc->ac", "output_shape": 1}, "once in each"),
        ({"type": "EinsumDense", "equation": "ab,bd->ac", "output_shape": 1}, "in another part"),
        ({"type": "EinsumDense", "equation": "a" * 999, "output_shape": 1}, "at most 32"),
        ({"type": "MaxPooling2D", "strides": 0}, "greater than or equal to 1"),
        ({"type": "Reshape", "target_shape": []}, "at least 1"),
        ({"type": "Reshape", "target_shape": [-2]}, "greater than or equal to -1"),
        ({"type": "Reshape", "target_shape": [1] * 6}, "at most 5"),
        ({"type": "Rescaling", "scale": math.inf}, "finite"),
        ({"type": "ZeroPadding2D", "padding": -1}, "greater than or equal to 0"),
    ],
)
def test_arguments_that_no_layer_takes(layer: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        parse(changed("model.layers.0", layer))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("training.optimizer", {"type": "Adam", "clipnorm": 1, "clipvalue": 1}, "give one of"),
    ],
)
def test_fields_that_do_not_go_together(path: str, value: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        parse(changed(path, value))


def test_an_experiment_does_not_change() -> None:
    experiment = parse(BODY)
    with pytest.raises(ValidationError, match="frozen"):
        experiment.name = "other"  # type: ignore[misc]  # the plugin knows that it must fail


@pytest.mark.parametrize(
    ("short", "long"), [("mse", "mean_squared_error"), ("mae", "mean_absolute_error")]
)
def test_short_names_of_losses_mean_the_long_ones(short: str, long: str) -> None:
    assert parse(changed("training.loss", short)).training.loss == long


@pytest.mark.parametrize(
    ("dataset", "train", "test"),
    [
        (Dataset(name="mnist"), 60_000, 10_000),
        (Dataset(name="mnist", limit=500), 500, 10_000),
        (Dataset(name="iris", limit=500), 120, 30),
        (Dataset(name="moons"), 1600, 400),
        (Dataset(name="moons", samples=99), 79, 20),
        (Dataset(name="moons", samples=99, limit=50), 50, 20),
    ],
)
def test_the_sizes_of_a_dataset_are_known_before_it_is_loaded(
    dataset: Dataset, train: int, test: int
) -> None:
    facts = facts_of(dataset.name)
    assert (dataset.train_examples(facts), dataset.test_examples(facts)) == (train, test)


def test_the_catalogue_agrees_with_itself() -> None:
    assert tuple(CATALOGUE) == get_args(DatasetName)
    for name, facts in CATALOGUE.items():
        low, high = facts.value_range
        assert low < high
        assert (facts.classes is None) == (facts.task == "regression")
        assert facts.test_examples == pytest.approx(
            (0.5 if name == "imdb" else 0.2) * (facts.train_examples + facts.test_examples), rel=0.3
        )


@pytest.mark.parametrize(
    ("examples", "fraction", "kept"), [(100, 0.1, 90), (1437, 0.1, 1293), (5, 0.5, 2), (1, 0.5, 0)]
)
def test_a_split_is_rounded_as_keras_rounds_it(examples: int, fraction: float, kept: int) -> None:
    assert split_at(examples, fraction) == kept


@pytest.mark.parametrize(
    ("dataset", "loss", "units", "layout"),
    [
        ("mnist", "categorical_crossentropy", 10, "one_hot"),
        ("mnist", "sparse_categorical_crossentropy", 10, "sparse"),
        ("mnist", "sparse_categorical_crossentropy", 12, "sparse"),
        ("mnist", "mse", 10, "one_hot"),
        ("mnist", "mse", 1, "values"),
        ("moons", "binary_crossentropy", 1, "values"),
        ("moons", "binary_crossentropy", 2, "one_hot"),
        ("moons", {"type": "CategoricalCrossentropy", "label_smoothing": 0.1}, 2, "one_hot"),
        ("diabetes", "mse", 1, "values"),
    ],
)
def test_labels_are_laid_out_for_the_loss(dataset: str, loss: Any, units: int, layout: str) -> None:
    body = changed("training.loss", loss) | {"dataset": {"name": dataset}}
    assert label_layout(parse(body), facts_of(dataset), (units,)) == layout
