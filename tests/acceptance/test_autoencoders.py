"""Models that give back what they are given: `dataset.target` is `inputs`."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.metrics import r2_score

from contract.errors import SpecRefused
from contract.experiment.datasets import facts_for
from contract.experiment.spec import Experiment
from contract.settings import Settings
from contract.sizing.limits import check
from diagnosis.diagnose import diagnose
from tests.acceptance.test_targets import case_of, trained
from tests.acceptance.test_training import arrays, keras_history
from worker.training.data.prepare import prepare

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CODE = {"type": "Dense", "units": 16, "activation": "relu"}
BACK = {"type": "Dense", "units": 784, "activation": "sigmoid"}
PICTURE = {"type": "Reshape", "target_shape": [28, 28, 1]}
CONVOLUTION = {"type": "Conv2D", "filters": 4, "kernel_size": 3, "padding": "same"}
NOISE = {"type": "GaussianNoise", "stddev": 0.5}
STACKS: dict[str, list[dict[str, Any]]] = {
    "flat": [{"type": "Flatten"}, CODE, BACK],
    "pictures": [PICTURE, CONVOLUTION, {**CONVOLUTION, "filters": 1}],
    "of noise": [
        NOISE,
        {"type": "Flatten"},
        CODE,
        BACK,
        {"type": "Reshape", "target_shape": [28, 28]},
    ],
}


def autoencoder(layers: list[dict[str, Any]], **dataset: Any) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "autoencoder",
            "dataset": {"name": "digits", "limit": 300, "scaling": "unit", "target": "inputs"}
            | dataset,
            "model": {"layers": layers},
            "training": {"optimizer": "adam", "loss": "mse", "epochs": 3, "seed": 7},
        }
    )


@pytest.mark.parametrize("name", STACKS)
def test_every_epoch_is_that_of_model_fit(name: str, tmp_path: Path) -> None:
    experiment = autoencoder(STACKS[name])
    facts, data = facts_for(experiment.dataset), arrays(experiment)
    end, rows, hooks = trained(experiment, None, tmp_path)
    prepared = prepare(experiment, facts, data)
    assert prepared.train.y.max() == 1
    for row, theirs in zip(rows, keras_history(experiment, facts, prepared), strict=True):
        ours = {metric: row.metrics[metric] for metric in theirs}
        assert ours == pytest.approx(theirs, rel=2e-4, abs=1e-5)
    x = data.x_test.astype(np.float32) / 255
    given = keras.saving.load_model(end.model).predict(x, verbose=0)
    found = r2_score(x.ravel(), given.ravel())
    assert end.metrics["test_r2"] == pytest.approx(found, rel=1e-3)
    case = case_of(experiment, facts, end, rows, hooks)
    assert case.signals.data is not None
    assert case.signals.data.linear_baseline is None
    told = diagnose(case)
    assert told.verdict
    assert "capacity" not in [cause.code for cause in told.causes]


def test_it_learns_and_is_blamed_for_nothing(tmp_path: Path) -> None:
    experiment = autoencoder(STACKS["flat"], limit=None)
    training = experiment.training.model_copy(update={"epochs": 40})
    experiment = experiment.model_copy(update={"training": training})
    facts = facts_for(experiment.dataset)
    end, rows, hooks = trained(experiment, None, tmp_path)
    assert end.metrics["test_r2"] > 0.6
    told = diagnose(case_of(experiment, facts, end, rows, hooks))
    # What a model of this width can reach is not known.
    assert (told.verdict, told.causes) == ("undetermined", ())
    assert told.headline.startswith("R2 0.")


@pytest.mark.parametrize(
    ("layers", "training", "dataset", "pointer"),
    [
        (STACKS["pictures"], {"metrics": ["mse"]}, {}, "/training/metrics/0"),
        ([{"type": "Flatten"}, CODE], {}, {}, "/model/layers/1"),
        (STACKS["flat"], {"loss": "sparse_categorical_crossentropy"}, {}, "/training/loss"),
        (STACKS["flat"], {"class_weight": "balanced"}, {}, "/training/class_weight"),
        (STACKS["flat"], {}, {"target_scaling": "standard"}, "/dataset/target_scaling"),
    ],
)
def test_what_cannot_be(
    layers: list[dict[str, Any]], training: dict[str, Any], dataset: dict[str, Any], pointer: str
) -> None:
    document = autoencoder(layers, **dataset).model_dump(mode="json", exclude_unset=True)
    document["training"] |= training
    experiment = Experiment.model_validate(document)
    with pytest.raises(SpecRefused) as refused:
        check(experiment, facts_for(experiment.dataset), Settings())
    assert refused.value.pointer == pointer


def test_a_row_can_be_measured_by_more() -> None:
    document = autoencoder(STACKS["flat"]).model_dump(mode="json", exclude_unset=True)
    document["training"]["metrics"] = ["mse"]
    experiment = Experiment.model_validate(document)
    check(experiment, facts_for(experiment.dataset), Settings())
