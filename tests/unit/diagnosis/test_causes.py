"""What decides for a cause, and what it does not decide for."""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import pytest

from contract.experiment.datasets import CATALOGUE
from diagnosis.diagnose import diagnose
from diagnosis.lint import findings
from diagnosis.report import Cause
from diagnosis.run.case import Case
from diagnosis.run.signals import Curvature, Signals
from tests.diagnosed import HEAD, HEALTHY, HIDDEN, START, case, full, spec

Layers = Sequence[dict[str, Any]]
DIGITS = asdict(CATALOGUE["digits"])


def modelled(*layers: dict[str, Any], **training: Any) -> dict[str, Any]:
    return full({**spec(**training), "model": {"layers": layers}})


def dense(units: int, activation: str = "relu", **more: Any) -> dict[str, Any]:
    return {"type": "Dense", "units": units, "activation": activation, **more}


def only(judged: Case, code: str) -> Cause | None:
    return next((cause for cause in diagnose(judged).causes if cause.code == code), None)


FLATTEN = {"type": "Flatten"}
HALF = {"type": "Dropout", "rate": 0.5}


@pytest.mark.parametrize(
    ("hidden", "warned"),
    [
        ([dense(100), HALF], 0),
        ([dense(8), HALF], 1),
        ([dense(100), HALF] * 3, 0),
        ([dense(100), HALF] * 4, 4),
        ([dense(6), {"type": "Dropout", "rate": 0.25}], 0),
    ],
)
def test_dropout_counts_by_what_it_leaves(hidden: Layers, warned: int) -> None:
    found = findings(modelled(FLATTEN, *hidden, dense(10, "softmax")), DIGITS)
    assert [f.code for f in found] == ["over_regularised"] * warned


@pytest.mark.parametrize(("strides", "warned"), [(3, 0), ([13, 2], 0), (6, 1), ([13, 13], 1)])
def test_strides_that_pass_over_most_of_a_picture(strides: Any, warned: int) -> None:
    picture = {"type": "Reshape", "target_shape": [28, 28, 1]}
    convolution = {"type": "Conv2D", "filters": 8, "kernel_size": 3, "strides": strides}
    asked = modelled(picture, {**convolution, "activation": "relu"}, FLATTEN, dense(10, "softmax"))
    assert [f.code for f in findings(asked, DIGITS)] == ["too_small_model"] * warned


def stepping(ratio: float) -> Signals:
    """A run whose steps change each layer by this share of its size."""
    layers = [replace(HIDDEN, update_ratio=ratio), replace(HEAD, update_ratio=ratio)]
    steps = [replace(START, step=step, layers=layers) for step in (2, 8, 225)]
    return replace(HEALTHY, curvature=None, moments=[START, *steps])


def test_steps_that_move_nothing_are_made_usual() -> None:
    """Whatever keeps them small: here an epsilon that outweighs the gradients."""
    asked = spec(optimizer={"type": "Adam", "learning_rate": 0.001, "epsilon": 10.0})
    losses = (2.31, 2.30, 2.30, 2.30, 2.30)
    slow = only(case(0.12, stepping(1e-5), losses, asked), "undertrained")
    assert slow is not None
    assert slow.title == "The steps are too small to move the weights"
    assert slow.repairs[0].patch[0]["value"] == pytest.approx(0.1)
    usual = only(case(0.12, stepping(1e-3), losses, asked), "undertrained")
    assert usual is not None
    assert usual.title == "The run is too short"


def deep(activation: str, first_gradient: float) -> Case:
    hidden = [dense(20, activation) for _ in range(4)]
    layers = [
        replace(HIDDEN, index=at, activation=activation, gradient_norm=gradient)
        for at, gradient in enumerate((first_gradient, 0.1, 0.2, 0.5), start=1)
    ]
    start = replace(START, layers=[*layers, replace(HEAD, index=5, gradient_norm=1.0)])
    asked = modelled(FLATTEN, *hidden, dense(10, "softmax"))
    return case(0.1, replace(HEALTHY, moments=[start]), experiment=asked)


@pytest.mark.parametrize(
    ("activation", "first_gradient", "vanished"),
    [
        ("sigmoid", 5e-3, True),
        ("sigmoid", 5e-2, False),
        ("relu", 5e-3, False),
        ("relu", 5e-4, True),
    ],
)
def test_gradients_that_vanish(activation: str, first_gradient: float, vanished: bool) -> None:
    found = only(deep(activation, first_gradient), "vanishing_gradients")
    assert (found is not None) is vanished


def test_weights_that_do_not_go_by_their_size_are_all_drawn_anew() -> None:
    """The first layer's are off; the head's only seem right, given so little."""
    normal = {"type": "RandomNormal", "stddev": 0.0001}
    hidden = dense(100, kernel_initializer=normal)
    asked = modelled(FLATTEN, hidden, dense(10, "softmax", kernel_initializer=normal))
    start = replace(START, layers=[replace(HIDDEN, pre_rms=1e-3), replace(HEAD, pre_rms=1e-3)])
    found = only(case(0.1, replace(HEALTHY, moments=[start]), experiment=asked), "initialisation")
    assert found is not None
    assert [operation["path"] for operation in found.repairs[0].patch] == [
        "/model/layers/1/kernel_initializer",
        "/model/layers/2/kernel_initializer",
    ]


@pytest.mark.parametrize(
    ("reason", "verdict"), [("completed", "healthy"), ("early_stopping", "unhealthy")]
)
def test_a_run_that_was_stopped_is_not_on_its_way(reason: str, verdict: str) -> None:
    asked = spec(early_stopping={"monitor": "val_loss", "patience": 0})
    judged = replace(case(0.71, losses=(2.4, 2.0, 1.6, 1.3), experiment=asked), reason=reason)
    assert diagnose(judged).verdict == verdict


@pytest.mark.parametrize(
    ("change", "code", "repairs"),
    [
        ({"loss": "mean_squared_error"}, "head", ["head", "head_more_epochs"]),
        (
            {"batch_size": 1000, "optimizer": {"type": "SGD", "learning_rate": 0.1}},
            "batch_size",
            ["batch_size", "more_epochs", "batch_size_more_epochs"],
        ),
    ],
)
def test_what_was_slow_as_well_is_offered_more_epochs(
    change: dict[str, Any], code: str, repairs: list[str]
) -> None:
    few = replace(HEALTHY, steps_per_epoch=2)
    found = only(case(0.3, few, (2.3, 2.2, 2.1, 2.0), spec(**change)), code)
    assert found is not None
    assert [repair.code for repair in found.repairs] == repairs


@pytest.mark.parametrize(("scaled_lambda", "offered"), [(0.5, True), (50.0, False)])
def test_a_rate_that_was_lowered_for_raw_inputs_is_raised_with_scaled_ones(
    scaled_lambda: float, offered: bool
) -> None:
    """lr * lambda / 2 is 0.0025 or 0.25 there, and the rate at most 1 / lambda or 1."""
    data = replace(HEALTHY.data, input_mean_square=14000.0) if HEALTHY.data else None
    steep = Curvature(lambda_max=5000.0, scaled_lambda_max=scaled_lambda, gradient_noise=None)
    asked = modelled(FLATTEN, dense(20, "sigmoid"), dense(10, "softmax"))
    asked = full({**asked, "dataset": {"name": "digits", "scaling": "none"}})
    signals = replace(HEALTHY, data=data, curvature=steep)
    found = only(case(0.2, signals, experiment=asked), "input_scale")
    assert found is not None
    faster = [r for r in found.repairs if r.code == "scale_inputs_standard_learning_rate"]
    assert [r.patch[1]["value"] for r in faster] == [1.0] * offered


@pytest.mark.parametrize(
    ("policy", "in_float32", "found"),
    [
        ("mixed_float16", 2.4, True),
        ("mixed_float16", 1e6, False),
        ("mixed_float16", math.nan, False),
        ("float32", 2.4, False),
    ],
)
def test_what_float16_cannot_hold(policy: str, in_float32: float, found: bool) -> None:
    """The probe looks in float32: a run that diverges has no small loss there either."""
    asked = spec()
    asked["model"]["dtype_policy"] = policy
    moments = [START, replace(START, step=15, epoch=1, at_epoch_end=True, loss=in_float32)]
    judged = case(None, replace(HEALTHY, moments=moments), [math.nan], asked)
    cause = only(judged, "float16_overflow")
    assert (cause is not None) is found
    if cause is not None:
        assert diagnose(judged).causes[0].code == cause.code
        assert [change.patch[0]["value"] for change in cause.repairs] == [
            "float32",
            "mixed_bfloat16",
        ]
