"""Signals for tests: those of an ordinary run, made worse where a test says so."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from contract.experiment.datasets import CATALOGUE
from contract.experiment.spec import Experiment
from diagnosis.run.case import Case
from diagnosis.run.signals import Curvature, DataSignals, LayerSignals, Moment, Signals

DATA = DataSignals(
    input_mean_square=0.1,
    input_min=0.0,
    input_max=1.0,
    column_spread=2.0,
    constant_columns=0.1,
    target_min=None,
    target_max=None,
    target_mean=None,
    target_mean_square=None,
    class_counts=[144] * 10,
    label_runs=0.1,
    neighbour_agreement=0.97,
    linear_baseline=0.92,
    test_shift=0.1,
)
HIDDEN = LayerSignals(
    index=1,
    type="Dense",
    activation="relu",
    units=100,
    pre_mean=0.0,
    pre_rms=0.4,
    dead=0.0,
    saturated=None,
    cosine=0.05,
    weight_norm=10.0,
    gradient_norm=0.5,
    update_ratio=None,
)
HEAD = replace(HIDDEN, index=2, activation="softmax", units=10, dead=None, gradient_norm=0.6)
START = Moment(
    step=0,
    epoch=0,
    at_epoch_end=False,
    loss=2.4,
    learning_rate=0.01,
    commonest_share=0.4,
    output_rms=0.33,
    gradient_norm=0.8,
    layers=[HIDDEN, HEAD],
)
HEALTHY = Signals(
    data=DATA,
    curvature=Curvature(lambda_max=8.0, scaled_lambda_max=20.0, gradient_noise=30.0),
    first_losses=[2.4, 2.3, 2.2, 2.1],
    non_finite_step=None,
    steps_per_epoch=15,
    moments=[START, replace(START, step=225, epoch=15, at_epoch_end=True, loss=0.3)],
)


def spec(**training: Any) -> dict[str, Any]:
    """relu-unit on digits, with all defaults; `training` replaces parts of it."""
    return full(
        {
            "name": "relu",
            "dataset": {"name": "digits", "scaling": "unit"},
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
                **training,
            },
        }
    )


def full(experiment: Mapping[str, Any]) -> dict[str, Any]:
    return Experiment.model_validate(experiment).model_dump(mode="json")


def case(
    accuracy: float | None,
    signals: Signals = HEALTHY,
    losses: Sequence[float | None] = (2.4, 1.0, 0.5, 0.3, 0.3, 0.3),
    experiment: Mapping[str, Any] | None = None,
) -> Case:
    """A run on digits that reached `accuracy` in training and on test."""
    return Case(
        spec=experiment or spec(),
        facts=asdict(CATALOGUE["digits"]),
        curve={"loss": losses, "val_loss": losses},
        metrics={"test_accuracy": accuracy, "train_accuracy": accuracy},
        reason="completed",
        class_counts=[36] * 10,
        signals=signals,
    )
