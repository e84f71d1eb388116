"""The corners of Keras' EarlyStopping; an acceptance test compares a whole run."""

from typing import Any

import numpy as np
import pytest

from contract.experiment.spec import EarlyStopping
from worker.training.early_stopping import Patience, Weights

NAN = float("nan")


def stopped_after(values: list[float], **fields: Any) -> int | None:
    spec = EarlyStopping.model_validate({"monitor": "val_loss", **fields})
    patience = Patience(spec)
    for epoch, value in enumerate(values, 1):
        if patience.is_over(epoch, {spec.monitor: value}, list):
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


def test_the_best_weights_are_kept() -> None:
    patience = Patience(EarlyStopping(monitor="loss", patience=9, restore_best_weights=True))
    for epoch, loss in enumerate([3.0, 1.0, 2.0], 1):

        def weights(epoch: int = epoch) -> Weights:
            return [np.array([epoch])]

        patience.is_over(epoch, {"loss": loss}, weights)
    assert (patience.best, patience.wait) == (1.0, 1)
    assert patience.best_weights[0].tolist() == [2]
