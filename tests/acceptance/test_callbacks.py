"""The corners of Keras' callbacks; test_training compares whole runs."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.experiment import spec
from worker.training.callbacks import Callbacks, EarlyStopping, ReduceLROnPlateau

# Keras 3.15 hands NumPy a variable in a way that NumPy 2 is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAN = float("nan")


def stopped_after(values: list[float], **fields: Any) -> int | None:
    told = spec.EarlyStopping.model_validate({"monitor": "val_loss", **fields})
    stopping = EarlyStopping(told)
    for epoch, value in enumerate(values, 1):
        if stopping.is_over(epoch, {told.monitor: value}):
            return epoch
    return None


@pytest.mark.parametrize(
    ("values", "fields", "epoch"),
    [
        ([3, 2, 1, 2], {}, 4),
        ([3, 2, 1, 2], {"patience": 1}, 4),
        ([3, 2, 1, 2], {"patience": 2}, None),
        ([3, 4, 2, 4, 4], {"patience": 2}, 5),
        ([3, 2.5, 2.4], {"min_delta": 0.5}, 2),
        ([1, 2, 3, 3], {"monitor": "val_accuracy"}, 4),
        ([1, 9, 9, 9], {"start_from_epoch": 2}, 4),
        ([NAN, 1, 1], {"patience": 2}, 3),
        ([2, NAN], {}, 2),
    ],
)
def test_when_it_stops(values: list[float], fields: dict[str, Any], epoch: int | None) -> None:
    assert stopped_after(values, **fields) == epoch


@cache
def model() -> Any:
    """With one weight."""
    built = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    built.compile("sgd", "mse")
    return built


def test_the_best_weights_are_kept() -> None:
    training = spec.Training.model_validate(
        {
            "optimizer": {"type": "SGD"},
            "loss": "mse",
            "epochs": 3,
            "early_stopping": {"monitor": "loss", "patience": 9, "restore_best_weights": True},
        }
    )
    trained = model()
    callbacks = Callbacks(training, trained, trained.optimizer)
    for epoch, loss in enumerate([3.0, 1.0, 2.0], 1):
        trained.set_weights([np.full((1, 1), epoch, np.float32)])
        callbacks.end_epoch(epoch, {"loss": loss})
    watched = callbacks.watched["early_stopping"]
    assert (watched.best, watched.epoch, watched.wait) == (1.0, 2, 1)
    callbacks.restore_best_weights()
    assert trained.get_weights()[0].tolist() == [[2]]


def rates_of_keras(values: Sequence[float], **told: Any) -> list[float]:
    """What follows each epoch."""
    trained, callback = model(), keras.callbacks.ReduceLROnPlateau(**told, mode="min")
    trained.optimizer.learning_rate = 0.5
    callback.set_model(trained)
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {told["monitor"]: value})
        rates.append(float(trained.optimizer.learning_rate.numpy()))
    return rates


def rates(values: Sequence[float], **told: Any) -> list[float]:
    plateau = ReduceLROnPlateau(spec.ReduceLROnPlateau.model_validate(told))
    rate, found = 0.5, []
    for epoch, value in enumerate(values, 1):
        rate = float(np.float32(plateau.rate_after(epoch, {told["monitor"]: value}, rate)))
        found.append(rate)
    return found


@given(
    values=st.lists(st.sampled_from([1.0, 0.75, 0.5, 0.25, NAN]), min_size=4, max_size=12),
    told=st.fixed_dictionaries(
        {
            "monitor": st.just("val_loss"),
            "factor": st.sampled_from([0.0, 0.1, 0.5]),
            "patience": st.integers(0, 3),
            "min_delta": st.sampled_from([0.0, 0.25, 0.3]),
            "cooldown": st.integers(0, 3),
            "min_lr": st.sampled_from([0.0, 0.01, 0.2, 0.9]),
        }
    ),
)
def test_the_learning_rate_falls_as_with_keras(values: list[float], told: dict[str, Any]) -> None:
    assert rates(values, **told) == rates_of_keras(values, **told)


def test_its_defaults_are_those_of_keras() -> None:
    plain, ours = keras.callbacks.ReduceLROnPlateau(), spec.ReduceLROnPlateau()
    assert {name: getattr(plain, name) for name in type(ours).model_fields} == ours.model_dump()
