"""Uploaded datasets through real training: classes, several labels, several targets."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score

from contract.errors import SpecRefused
from contract.experiment.datasets import Task
from contract.experiment.losses import LossName
from contract.experiment.spec import Experiment
from contract.jobs.reports import FinishedEpoch
from contract.settings import Settings
from contract.sizing.limits import check
from tests import uploaded
from tests.acceptance.test_training import NO_FILES, Recorder, bits, keras_history
from worker.training.data.load import Arrays
from worker.training.data.prepare import prepare
from worker.training.hooks import Finished
from worker.training.program import build
from worker.training.program.cache import Programs
from worker.training.run import train

# Keras 3.15 hands NumPy a variable in a way that NumPy 2 is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HIDDEN = {"type": "Dense", "units": 8, "activation": "tanh"}
BCE_LOGITS = {"type": "BinaryCrossentropy", "from_logits": True}


def spec(task: Task, activation: str, loss: Any, **dataset: Any) -> Experiment:
    output = {
        "type": "Dense",
        "units": uploaded.facts(task).output_shape[-1],
        "activation": activation,
    }
    return Experiment.model_validate(
        {
            "name": task,
            "dataset": {"name": uploaded.ID, **dataset},
            "model": {"layers": [HIDDEN, output]},
            "training": {
                "optimizer": {"type": "Adam", "learning_rate": 0.02},
                "loss": loss,
                "epochs": 3,
                "seed": 7,
            },
        }
    )


SPECS = {
    "classes": spec("classification", "softmax", "sparse_categorical_crossentropy"),
    "labels": spec("multi_label", "sigmoid", "binary_crossentropy", scaling="standard"),
    "labels from logits": spec("multi_label", "linear", BCE_LOGITS),
    "targets": spec("regression", "linear", "mse", scaling="unit"),
}


def task_of(experiment: Experiment) -> Task:
    """`spec` names an experiment after its task."""
    return next(task for task in get_args(Task) if task == experiment.name)


def trained(
    experiment: Experiment, folder: Path, **more: uploaded.Array
) -> tuple[Finished, list[FinishedEpoch]]:
    """On the uploaded arrays, and weights if there are `more`."""
    upload = uploaded.write(folder / "dataset.npz", task_of(experiment), **more)
    check(experiment, upload.facts, Settings())
    hooks = Recorder()
    end = train(
        experiment,
        upload.facts,
        upload=lambda: nullcontext(folder / "dataset.npz"),
        data_dir=NO_FILES,
        scratch=folder,
        resume=None,
        checkpoint_seconds=0,
        hooks=hooks,
        programs=Programs(folder / "arrays"),
    )
    assert isinstance(end, Finished)
    return end, hooks.rows


def predicted(end: Finished, x: Any) -> Any:
    """The saved model's outputs in the data's own units, by what was saved beside it."""
    with np.load(end.scaling, allow_pickle=False) as file:
        scaling = {name: file[name] for name in file}
    inputs = (x - scaling["input_offset"]) / scaling["input_scale"]
    outputs = keras.saving.load_model(end.model).predict(inputs, verbose=0)
    return outputs * scaling["target_scale"] + scaling["target_offset"]


@pytest.mark.parametrize("name", SPECS)
def test_every_epoch_is_that_of_model_fit(name: str, tmp_path: Path) -> None:
    experiment = SPECS[name]
    _, rows = trained(experiment, tmp_path)
    facts = uploaded.facts(task_of(experiment))
    data = prepare(experiment, facts, Arrays(**uploaded.arrays(facts.task)))
    for row, told in zip(rows, keras_history(experiment, facts, data), strict=True):
        ours = {metric: row.metrics[metric] for metric in told}
        assert ours == pytest.approx(told, rel=2e-4, abs=1e-5)


@pytest.mark.parametrize("name", SPECS)
def test_weighted_examples_are_those_of_model_fit(name: str, tmp_path: Path) -> None:
    """The second time from arrays that the first has kept."""
    experiment, more = SPECS[name], {"w_train": uploaded.WEIGHTS}
    facts = replace(uploaded.facts(task_of(experiment)), weighted=True)
    data = prepare(experiment, facts, Arrays(**uploaded.arrays(facts.task), **more))
    expected = keras_history(experiment, facts, data)
    first, again = (trained(experiment, tmp_path, **more)[1] for _ in range(2))
    for row, told in zip(first, expected, strict=True):
        ours = {metric: row.metrics[metric] for metric in told}
        assert ours == pytest.approx(told, rel=2e-4, abs=1e-5)
    assert bits(again) == bits(first)
    off = experiment.training.model_copy(update={"sample_weight": "off"})
    without = trained(experiment.model_copy(update={"training": off}), tmp_path, **more)[1]
    (tmp_path / "plain").mkdir()
    assert bits(without) == bits(trained(experiment, tmp_path / "plain")[1])
    assert bits(without) != bits(first)


@pytest.mark.parametrize(("name", "threshold"), [("labels", 0.5), ("labels from logits", 0.0)])
def test_labels_are_counted_as_scikit_learn_counts_them(
    name: str, threshold: float, tmp_path: Path
) -> None:
    end, rows = trained(SPECS[name], tmp_path)
    data = uploaded.arrays("multi_label")
    for part in ("train", "test"):
        y, said = data[f"y_{part}"], predicted(end, data[f"x_{part}"]) > threshold
        assert end.metrics[f"{part}_accuracy"] == pytest.approx(
            accuracy_score(y.ravel(), said.ravel())
        )
        assert end.metrics[f"{part}_exact_match"] == pytest.approx(accuracy_score(y, said))
    assert set(rows[0].metrics) == {
        "loss", "accuracy", "exact_match", "val_loss", "val_accuracy", "val_exact_match",
    }  # fmt: skip
    assert end.confusion_matrix is None
    assert end.class_counts == data["y_test"].sum(axis=0).tolist()
    assert 0.7 < end.metrics["train_accuracy"] < 1


@pytest.mark.parametrize("target_scaling", ["none", "standard"])
def test_targets_are_measured_in_their_own_units(target_scaling: str, tmp_path: Path) -> None:
    experiment = spec(
        "regression", "linear", "huber", scaling="standard", target_scaling=target_scaling
    )
    end, rows = trained(experiment, tmp_path)
    data = uploaded.arrays("regression")
    said = predicted(end, data["x_test"])
    mae, r2 = mean_absolute_error(data["y_test"], said), r2_score(data["y_test"], said)
    assert end.metrics["test_mae"] == pytest.approx(mae, rel=1e-4)
    assert end.metrics["test_r2"] == pytest.approx(r2, rel=1e-4)
    assert rows[-1].metrics["val_r2"] == pytest.approx(r2, rel=1e-4)
    assert end.class_counts == []
    assert end.confusion_matrix is None


def test_an_uploaded_set_trains_as_any_other(tmp_path: Path) -> None:
    end, rows = trained(SPECS["classes"], tmp_path)
    data = uploaded.arrays("classification")
    accuracy = (predicted(end, data["x_test"]).argmax(axis=1) == data["y_test"]).mean()
    assert end.metrics["test_accuracy"] == pytest.approx(accuracy)
    assert end.class_counts == np.bincount(data["y_test"], minlength=3).tolist()
    assert [sum(row) for row in end.confusion_matrix or ()] == end.class_counts
    again = tmp_path / "again"
    again.mkdir()
    assert bits(trained(SPECS["classes"], again)[1]) == bits(rows)


@pytest.mark.parametrize("task", ["multi_label", "regression"])
def test_what_is_refused_keras_cannot_compute_and_the_rest_it_can(task: Task) -> None:
    facts = uploaded.facts(task)
    y = uploaded.arrays(task)["y_test"].astype(np.float32)
    outputs = keras.ops.convert_to_tensor(np.full(y.shape, 0.5, np.float32))
    for loss in get_args(LossName):
        experiment = spec(task, "linear", loss)
        try:
            check(experiment, facts, Settings())
        except SpecRefused:
            with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="shape"):
                build.construct_loss(loss)(y, outputs)
        else:
            assert build.construct_loss(loss)(y, outputs).shape == ()
