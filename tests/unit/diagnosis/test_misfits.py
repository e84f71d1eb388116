"""Heads and losses: which fit which labels."""

from dataclasses import asdict
from typing import Any

import jsonpatch
import pytest

from contract.experiment.datasets import CATALOGUE, Facts
from contract.experiment.losses import LOSSES
from contract.experiment.spec import Experiment
from contract.settings import Settings
from contract.sizing.limits import check
from diagnosis.causes import head
from diagnosis.causes.output_rules import misfits
from diagnosis.run.procedure import Procedure
from diagnosis.run.setup import Setup
from tests.diagnosed import full

TAGS = Facts("multi_label", (8,), None, 800, 200, (-3, 3), 4, "upload", "five labels", targets=5)
FACTS = {**{name: CATALOGUE[name] for name in ("digits", "moons", "diabetes")}, "tags": TAGS}
NAMES = {"tags": "ds_00000000000000000000000000"}
LOGITS = {"type": "CategoricalCrossentropy", "from_logits": True}
BINARY_LOGITS = {"type": "BinaryCrossentropy", "from_logits": True}
SPARSE_LOGITS = {"type": "SparseCategoricalCrossentropy", "from_logits": True}
CLASSES, BINARY, SQUARES = "categorical_crossentropy", "binary_crossentropy", "mean_squared_error"


def setup(dataset: str, units: int, activation: str, loss: Any, **changes: Any) -> Setup:
    spec = {
        "name": "head",
        "dataset": {"name": NAMES.get(dataset, dataset), **changes},
        "model": {
            "layers": [
                {"type": "Flatten"},
                {"type": "Dense", "units": 8, "activation": "relu"},
                {"type": "Dense", "units": units, "activation": activation},
            ]
        },
        "training": {"optimizer": {"type": "Adam"}, "loss": loss, "epochs": 2},
    }
    return Setup(full(spec), asdict(FACTS[dataset]))


@pytest.mark.parametrize(
    ("dataset", "units", "activation", "loss"),
    [
        ("digits", 10, "softmax", CLASSES),
        ("digits", 10, "softmax", "sparse_categorical_crossentropy"),
        ("digits", 12, "softmax", "sparse_categorical_crossentropy"),
        ("digits", 10, "linear", LOGITS),
        ("digits", 10, "softmax", LOGITS),  # Keras takes the softmax off
        ("digits", 10, "sigmoid", BINARY),
        ("moons", 1, "sigmoid", BINARY),
        ("moons", 1, "linear", BINARY_LOGITS),
        ("moons", 2, "softmax", CLASSES),
        ("moons", 2, "softmax", BINARY),
        ("tags", 5, "sigmoid", BINARY),
        ("diabetes", 1, "linear", SQUARES),
        ("diabetes", 1, "linear", "huber"),
        ("digits", 10, "softmax", "categorical_focal_crossentropy"),
        ("digits", 10, "softmax", "categorical_generalized_cross_entropy"),
        ("digits", 10, "linear", SPARSE_LOGITS),
        ("digits", 10, "linear", "categorical_hinge"),
        ("digits", 10, "tanh", "squared_hinge"),
        ("digits", 10, "softmax", "dice"),
        ("digits", 10, "softmax", "cosine_similarity"),
        ("moons", 1, "linear", "hinge"),
        ("moons", 1, "sigmoid", "binary_focal_crossentropy"),
        ("moons", 1, "sigmoid", "tversky"),
        ("tags", 5, "sigmoid", "dice"),
        ("tags", 5, "linear", "hinge"),
        ("diabetes", 1, "linear", "mean_absolute_percentage_error"),
    ],
)
def test_what_fits(dataset: str, units: int, activation: str, loss: Any) -> None:
    assert misfits(setup(dataset, units, activation, loss)) == []


@pytest.mark.parametrize(
    ("dataset", "units", "activation", "loss", "level"),
    [
        ("digits", 10, "relu", CLASSES, "error"),
        ("digits", 10, "linear", CLASSES, "error"),
        ("digits", 10, "tanh", CLASSES, "error"),
        ("digits", 10, "sigmoid", CLASSES, "warning"),
        ("digits", 1, "sigmoid", BINARY, "error"),
        ("digits", 10, "softmax", SQUARES, "warning"),
        ("digits", 10, "softmax", BINARY, "warning"),
        ("digits", 10, "relu", BINARY, "error"),
        ("digits", 10, "relu", LOGITS, "warning"),
        ("moons", 1, "softmax", BINARY, "error"),
        ("moons", 1, "sigmoid", CLASSES, "error"),
        ("moons", 1, "linear", BINARY, "error"),
        ("moons", 1, "sigmoid", SQUARES, "warning"),
        ("tags", 5, "softmax", CLASSES, "error"),
        ("tags", 5, "softmax", BINARY, "error"),
        ("tags", 5, "linear", BINARY, "error"),
        ("diabetes", 1, "softmax", SQUARES, "error"),
        ("diabetes", 1, "sigmoid", SQUARES, "warning"),
        ("diabetes", 1, "linear", BINARY, "error"),
        ("diabetes", 1, "linear", CLASSES, "error"),
        ("digits", 10, "linear", "categorical_focal_crossentropy", "error"),
        ("digits", 10, "linear", "sparse_categorical_crossentropy", "error"),
        ("digits", 10, "softmax", "categorical_hinge", "warning"),
        ("digits", 10, "linear", "dice", "error"),
        ("digits", 10, "softmax", "mean_absolute_percentage_error", "error"),
        ("moons", 1, "sigmoid", "hinge", "error"),
        ("moons", 1, "linear", "cosine_similarity", "error"),
        ("moons", 1, "linear", "tversky", "error"),
        ("tags", 5, "sigmoid", "squared_hinge", "error"),
        ("tags", 5, "linear", "categorical_hinge", "error"),
        ("tags", 5, "linear", "dice", "error"),
        ("diabetes", 1, "linear", "hinge", "error"),
        ("diabetes", 1, "sigmoid", "dice", "error"),
        ("diabetes", 1, "linear", "cosine_similarity", "error"),
    ],
)
def test_what_does_not(dataset: str, units: int, activation: str, loss: Any, level: str) -> None:
    """Its repair fits, and can be trained."""
    found = misfits(setup(dataset, units, activation, loss))
    assert min(misfit.level for misfit in found) == level
    mend(setup(dataset, units, activation, loss))


def mend(broken: Setup) -> None:
    (repair,) = head.repairs(broken)
    mended = full(jsonpatch.apply_patch(broken.spec, list(repair.patch)))
    assert misfits(Setup(mended, broken.facts)) == []
    check(Experiment.model_validate(mended), FACTS_BY_ID[mended["dataset"]["name"]], Settings())


FACTS_BY_ID = {NAMES.get(name, name): facts for name, facts in FACTS.items()}


@pytest.mark.parametrize(
    ("activation", "low", "high", "fits"),
    [
        ("sigmoid", 0.0, 1.0, True),
        ("sigmoid", 25.0, 346.0, False),
        ("tanh", -1.0, 1.0, True),
        ("tanh", -2.0, 2.0, False),
        ("relu", 0.0, 346.0, True),
        ("relu", -50.0, 50.0, False),
        ("linear", -50.0, 50.0, True),
        ("softplus", 1.0, 9.0, True),
    ],
)
def test_quantities_must_be_within_reach(
    activation: str, low: float, high: float, fits: bool
) -> None:
    assert (misfits(setup("diabetes", 1, activation, SQUARES), low, high) == []) is fits


@pytest.mark.parametrize(
    ("activation", "loss", "levels"),
    [
        ("exponential", "poisson", []),
        ("softplus", "mean_squared_logarithmic_error", []),
        ("linear", "poisson", ["error"]),
        ("linear", "mean_squared_logarithmic_error", ["warning"]),
        ("sigmoid", BINARY, []),
        ("linear", BINARY_LOGITS, []),
        ("linear", BINARY, ["error"]),
    ],
)
def test_losses_of_quantities_that_want_a_logarithm(
    activation: str, loss: Any, levels: list[str]
) -> None:
    wrong = setup("diabetes", 1, activation, loss)
    assert [misfit.level for misfit in misfits(wrong, 0.0, 1.0)] == levels
    mend(wrong)


def test_standardised_targets_have_both_signs() -> None:
    wrong = setup("diabetes", 1, "relu", SQUARES, target_scaling="standard")
    assert [misfit.level for misfit in misfits(wrong)] == ["error"]


@pytest.mark.parametrize(("low", "high", "fits"), [(1e-10, 0.999999, True), (0.0, 0.5, False)])
def test_an_output_that_is_clipped(low: float, high: float, fits: bool) -> None:
    """Behind an Activation layer, which the repair takes away with the Clip."""
    clipped = setup("digits", 10, "linear", CLASSES)
    layers = [
        *clipped.spec["model"]["layers"],
        {"type": "Activation", "activation": "softmax"},
        {"type": "Clip", "x_min": low, "x_max": high},
    ]
    clipped = Setup(full({**clipped.spec, "model": {"layers": layers}}), clipped.facts)
    assert (misfits(clipped) == []) is fits
    mend(clipped)


def test_a_percentage_of_targets_around_0_is_warned_of() -> None:
    run = setup("diabetes", 1, "linear", "mean_absolute_percentage_error")
    assert misfits(run, 25.0, 346.0) == []
    (misfit,) = misfits(run, -2.0, 3.0)
    assert (misfit.level, misfit.at) == ("warning", "loss")


def test_every_loss_is_known_by_what_it_takes() -> None:
    """A new one that compares classes must be told in `diagnosis/run/procedure.py`."""
    kinds = {name: Procedure({"loss": name}).loss_kind for name in LOSSES}
    assert {name for name, kind in kinds.items() if kind == "values"} == {
        "cosine_similarity",
        "huber",
        "log_cosh",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "mean_squared_error",
        "mean_squared_logarithmic_error",
        "poisson",
    }
    for name, kind in LOSSES.items():
        assert Procedure({"loss": {"type": kind.__name__}}).loss_kind == kinds[name]
