"""Every metric that may be asked for, epoch by epoch, against `model.fit`."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from pydantic import TypeAdapter
from sklearn.metrics import mean_absolute_percentage_error, root_mean_squared_error

from contract.experiment.datasets import CATALOGUE, Facts
from contract.experiment.measured import columns
from contract.experiment.metrics import KINDS, NAMES, Form, Given, named
from contract.experiment.spec import Experiment, Training
from contract.settings import Settings
from contract.sizing.limits import check
from tests import uploaded
from tests.acceptance.test_training import (
    DENSE,
    FLAT,
    NO_FILES,
    SOFTMAX,
    Recorder,
    bits,
    keras_history,
    spec,
)
from worker.training.data.load import Arrays, load
from worker.training.data.prepare import Prepared, prepare
from worker.training.hooks import Finished, Stopped
from worker.training.program.cache import Programs
from worker.training.run import train

# Keras 3.15 hands NumPy a variable in a way that NumPy 2 is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Asked = list[Any]
SIGMOID = {"type": "Dense", "units": 1, "activation": "sigmoid"}
# By names as Keras takes them, and with arguments that lead another way through its code.
OF_SHARES: Asked = [
    "binary_accuracy",
    "AUC",
    "hinge",
    "SquaredHinge",
    "bce",
    {"type": "BinaryCrossentropy", "label_smoothing": 0.1, "name": "smooth"},
    {"type": "BinaryAccuracy", "threshold": 0.2, "name": "low"},
    {"type": "AUC", "curve": "PR", "name": "pr"},
    {"type": "AUC", "curve": "PRGAIN", "num_thresholds": 20, "name": "gain"},
    {"type": "AUC", "summation_method": "majoring", "thresholds": [0.1, 0.3, 0.8], "name": "few"},
    {"type": "AUC", "summation_method": "minoring", "multi_label": True, "name": "each"},
    "true_positives",
    {"type": "TrueNegatives", "thresholds": 0.3},
    {"type": "FalsePositives", "thresholds": 0.5},
    {"type": "FalseNegatives", "thresholds": 0.3},
    # What Keras' history has of these changes with the validation that follows.
    {"type": "TrueNegatives", "thresholds": [0.1, 0.3, 0.9], "name": "listed_no"},
    {"type": "FalsePositives", "thresholds": [0.0, 0.5, 1.0], "name": "listed_yes"},
    "Precision",
    "recall",
    {"type": "Precision", "thresholds": [0.2, 0.6], "name": "precisions"},
    {"type": "Recall", "class_id": 0, "name": "of_one"},
    {"type": "Recall", "top_k": 1, "name": "of_top"},
    {"type": "SensitivityAtSpecificity", "specificity": 0.5},
    {"type": "SpecificityAtSensitivity", "sensitivity": 0.5, "class_id": 0},
    {"type": "PrecisionAtRecall", "recall": 0.5, "num_thresholds": 20},
    {"type": "RecallAtPrecision", "precision": 0.5, "num_thresholds": 1},
    {"type": "F1Score", "threshold": 0.4, "average": "macro", "name": "sure"},
    {"type": "FBetaScore", "threshold": 0.4, "average": "micro", "beta": 2},
    {"type": "BinaryIoU", "threshold": 0.4},
    {"type": "BinaryIoU", "target_class_ids": [1], "name": "of_yes"},
]
OF_ROWS: Asked = [
    "mse",
    "RootMeanSquaredError",
    "mean_absolute_error",
    "msle",
    "log_cosh_error",
    "cosine_similarity",
    "poisson",
]
ASKED: dict[Form, Asked] = {
    "one_hot": [
        *OF_SHARES,
        *OF_ROWS,
        "accuracy",
        "categorical_accuracy",
        "top_k_categorical_accuracy",
        {"type": "TopKCategoricalAccuracy", "k": 2, "name": "top_2"},
        "f1_score",
        {"type": "FBetaScore", "average": "weighted", "beta": 0.5, "name": "weighted"},
        {"type": "AUC", "label_weights": [0.5] * 5 + [1.0] * 5, "name": "weighed"},
        {"type": "OneHotIoU", "num_classes": 10, "target_class_ids": [0, 3]},
        {"type": "OneHotMeanIoU", "num_classes": 10, "ignore_class": 2},
        {"type": "IoU", "num_classes": 11, "target_class_ids": [1], "sparse_y_true": False,
         "sparse_y_pred": False},
        "categorical_hinge",
        "kl_divergence",
        "pearson_correlation",
        "concordance_correlation",
        "categorical_crossentropy",
        {"type": "CategoricalCrossentropy", "label_smoothing": 0.1, "name": "smoothed"},
    ],
    "sparse": [
        "sparse_categorical_accuracy",
        "SparseTopKCategoricalAccuracy",
        "sparse_categorical_crossentropy",
        {"type": "SparseCategoricalCrossentropy", "ignore_class": 3, "name": "but_3"},
        {"type": "MeanIoU", "num_classes": 10, "sparse_y_pred": False},
        {"type": "IoU", "num_classes": 10, "target_class_ids": [0, 9], "sparse_y_pred": False},
    ],
    "binary": [*OF_SHARES, *OF_ROWS],
    "multi_label": [*OF_SHARES, *OF_ROWS, {"type": "F1Score", "threshold": 0.5, "name": "f1"}],
    "regression": [
        *OF_ROWS,
        "mae",
        "mape",
        "r2_score",
        {"type": "R2Score", "class_aggregation": "variance_weighted_average", "name": "weighted"},
        {"type": "R2Score", "class_aggregation": None, "name": "each"},
        "binary_crossentropy",
        "kl_divergence",
        "pearson_correlation",
        "concordance_correlation",
    ],
}  # fmt: skip
LABELS, TARGETS = uploaded.facts("multi_label"), uploaded.facts("regression")
UPLOADED = {"name": uploaded.ID, "scaling": "standard"}
# The last batch of each epoch is a smaller one.
MADE: dict[Form, tuple[Facts, Callable[[Asked], Experiment]]] = {
    "one_hot": (CATALOGUE["digits"], lambda m: spec([*FLAT, *SOFTMAX], metrics=m)),
    "sparse": (
        CATALOGUE["digits"],
        lambda m: spec([*FLAT, *SOFTMAX], loss="sparse_categorical_crossentropy", metrics=m),
    ),
    "binary": (
        CATALOGUE["moons"],
        lambda m: spec(
            [*DENSE, SIGMOID], {"name": "moons", "samples": 203}, loss="mse", metrics=m
        ),
    ),
    "multi_label": (
        LABELS,
        lambda m: spec(
            [*DENSE, {**SIGMOID, "units": 4}], UPLOADED, loss="binary_crossentropy", metrics=m
        ),
    ),
    "regression": (
        TARGETS,
        lambda m: spec(
            [*DENSE, {"type": "Dense", "units": 2}], UPLOADED, loss="mae",
            optimizer={"type": "Adam", "learning_rate": 0.1}, metrics=m,
        ),
    ),
}  # fmt: skip


def data_of(experiment: Experiment, facts: Facts) -> Prepared:
    if facts.source == "upload":
        return prepare(experiment, facts, Arrays(**uploaded.arrays(facts.task)))
    return prepare(experiment, facts, load(experiment.dataset, facts, NO_FILES))


def run(
    experiment: Experiment,
    facts: Facts,
    folder: Path,
    hooks: Recorder,
    resume: Path | None = None,
    programs: Programs | None = None,
) -> Finished | Stopped:
    check(experiment, facts, Settings())
    if uploads := facts.source == "upload":
        uploaded.write(folder / "dataset.npz", facts.task)
    return train(
        experiment,
        facts,
        upload=(lambda: nullcontext(folder / "dataset.npz")) if uploads else None,
        data_dir=NO_FILES,
        scratch=folder,
        resume=resume,
        checkpoint_seconds=0,
        hooks=hooks,
        programs=programs or Programs(folder / "arrays"),
    )


def plain(given: Any) -> Any:
    """As a script would hand it to `model.compile`."""
    if isinstance(given, str):
        return given
    arguments = {"name": named(TypeAdapter(Given).validate_python(given))[0], **given}
    del arguments["type"]
    if "beta" in arguments:
        arguments["beta"] = float(arguments["beta"])
    return getattr(keras.metrics, given["type"])(**arguments)


def flat(told: dict[str, Any]) -> dict[str, float]:
    """A list is a number for each of its places."""
    return {
        column: float(number)
        for name, value in told.items()
        for column, number in zip(
            columns(name, np.size(value) if np.size(value) > 1 else None),
            np.ravel(value),
            strict=True,
        )
    }


@pytest.mark.parametrize(
    "jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["", "XLA"]
)
@pytest.mark.parametrize("form", MADE)
def test_every_epoch_is_that_of_model_fit(form: Form, jit_compile: bool, tmp_path: Path) -> None:
    facts, made = MADE[form]
    experiment = made(ASKED[form])
    training = experiment.training.model_copy(update={"jit_compile": jit_compile})
    hooks = Recorder()
    end = run(experiment.model_copy(update={"training": training}), facts, tmp_path, hooks)
    assert isinstance(end, Finished)
    asked = [plain(given) for given in ASKED[form] if given not in ("accuracy", "mae")]
    expected = keras_history(experiment, facts, data_of(experiment, facts), asked)
    for row, told in zip(hooks.rows, expected, strict=True):
        ours = row.metrics
        if form in ("one_hot", "binary", "multi_label"):
            assert ours["listed_no_1"] == ours["true_negatives"]
            assert ours["listed_yes_1"] == ours["false_positives"]
        compared = {
            name: value
            for name, value in ours.items()
            if not name.startswith("listed_") and "exact_match" not in name
        }
        known = {name: told[name] for name in told if name not in ("listed_no", "listed_yes")}
        assert compared == pytest.approx(flat(known), rel=2e-3, abs=2e-5, nan_ok=True)
    last = bits(hooks.rows)[-1]
    tested = {name.removeprefix("val_"): last[name] for name in last if name.startswith("val_")}
    final = {name: value.hex() for name, value in end.metrics.items()}
    assert final.items() >= {f"test_{name}": value for name, value in tested.items()}.items()
    assert final.keys() == {f"{part}_{name}" for part in ("train", "test") for name in tested}


def test_every_class_and_every_name_of_one_is_there() -> None:
    given = [each for asked in ASKED.values() for each in asked]
    types = {NAMES[each].__name__ if each in NAMES else each for each in given if type(each) is str}
    types |= {each["type"] for each in given if type(each) is dict}
    assert types - {"accuracy"} == {kind.__name__ for kind in KINDS}


@pytest.mark.parametrize("name", NAMES)
def test_keras_knows_each_name(name: str) -> None:
    kind = NAMES[name]
    known = keras.metrics.log_cosh if name == "log_cosh" else keras.metrics.get(name)
    assert known is keras.metrics.log_cosh or type(known).__name__ == kind.__name__


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_called_and_goes_where_keras_says(kind: Any) -> None:
    required = {
        name: {"num_classes": 3, "target_class_ids": [0]}.get(name, 0.5)
        for name, field in kind.model_fields.items()
        if field.is_required() and name != "type"
    }
    ours = kind.model_validate({"type": kind.__name__, **required})
    keras.utils.clear_session()
    keras_own = getattr(keras.metrics, kind.__name__)(**required)
    assert ours.column == keras_own.name
    direction = {True: "up", False: "down", None: None}[kind.maximized]
    assert getattr(keras_own, "_direction", None) == direction


@pytest.mark.parametrize("monitor", ["val_auc", "mse", "val_of_top_1"])
def test_early_stopping_goes_by_a_metric_as_keras_does(monitor: str, tmp_path: Path) -> None:
    facts, made = MADE["multi_label"]
    of_top = {"type": "Recall", "thresholds": [0.2, 0.6], "name": "of_top"}
    whole = made(["auc", "mse", of_top])

    def run_of(**changes: Any) -> Recorder:
        training = whole.training.model_dump(mode="json", exclude_unset=True)
        changed = {**training, "epochs": 12, **changes}
        spec = whole.model_copy(update={"training": Training.model_validate(changed)})
        hooks = Recorder()
        run(spec, facts, tmp_path, hooks)
        return hooks

    rate = {"type": "SGD", "learning_rate": 4.0}
    unbroken = run_of(optimizer=rate)
    stopping = {"monitor": monitor, "patience": 1}
    stopped = run_of(optimizer=rate, early_stopping=stopping)
    # Keras knows no direction of one number of a list.
    theirs = keras.callbacks.EarlyStopping(**stopping, mode="max" if "of" in monitor else "auto")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["auc", "mse"])
    model.fit(np.zeros((1, 1)), np.zeros((1, 1)), verbose=0)
    theirs.set_model(model)
    theirs.on_train_begin()
    for row in unbroken.rows:
        theirs.on_epoch_end(row.epoch - 1, row.metrics)
        if model.stop_training:
            break
    assert len(stopped.rows) == row.epoch < 12
    assert bits(stopped.rows) == bits(unbroken.rows[: row.epoch])


RESUMED = MADE["one_hot"][1](
    ["auc", "f1_score", {"type": "OneHotMeanIoU", "num_classes": 10}, "mse"]
)


def test_a_run_cut_in_any_place_is_bit_identical(tmp_path: Path) -> None:
    facts, whole = CATALOGUE["digits"], Recorder()
    run(RESUMED, facts, tmp_path, whole)
    for poll in range(2, whole.polls, 3):
        cut, rest = Recorder(stop_at=poll), Recorder()
        end = run(RESUMED, facts, tmp_path, cut)
        assert isinstance(end, Stopped)
        checkpoint = end.checkpoint or cut.reports[-1][1]
        run(RESUMED, facts, tmp_path, rest, resume=checkpoint)
        assert bits(cut.rows + rest.rows) == bits(whole.rows)


def test_a_kept_program_begins_anew(tmp_path: Path) -> None:
    programs, facts = Programs(tmp_path / "arrays"), CATALOGUE["digits"]
    first, again, fresh = Recorder(), Recorder(), Recorder()
    run(RESUMED, facts, tmp_path, Recorder(stop_at=4), programs=programs)
    run(RESUMED, facts, tmp_path, first, programs=programs)
    run(RESUMED, facts, tmp_path, again, programs=programs)
    run(RESUMED, facts, tmp_path, fresh)
    assert bits(first.rows) == bits(again.rows) == bits(fresh.rows)


def test_metrics_are_in_the_units_of_the_data(tmp_path: Path) -> None:
    """Where targets are scaled for the loss."""
    experiment = MADE["regression"][1](["mape", "root_mean_squared_error", "r2_score"])
    scaled = experiment.dataset.model_copy(update={"target_scaling": "standard"})
    experiment = experiment.model_copy(update={"dataset": scaled})
    end = run(experiment, TARGETS, tmp_path, Recorder())
    assert isinstance(end, Finished)
    data = data_of(experiment, TARGETS)
    model = keras.saving.load_model(end.model)
    outputs = model.predict(data.inputs(data.test.x), verbose=0)
    said = outputs * data.targets.scale + data.targets.offset
    raw = uploaded.arrays("regression")["y_test"]
    expected = {
        "test_mape": 100 * mean_absolute_percentage_error(raw, said),
        "test_root_mean_squared_error": root_mean_squared_error(raw.ravel(), said.ravel()),
        "test_r2_score": end.metrics["test_r2"],
    }
    assert {name: end.metrics[name] for name in expected} == pytest.approx(expected, rel=1e-4)


def test_a_run_without_metrics_is_the_same_run(tmp_path: Path) -> None:
    """What is asked for is looked at, and changes nothing."""
    bare, asked = Recorder(), Recorder()
    without = RESUMED.model_copy(
        update={"training": RESUMED.training.model_copy(update={"metrics": ()})}
    )
    run(without, CATALOGUE["digits"], tmp_path, bare)
    run(RESUMED, CATALOGUE["digits"], tmp_path, asked)
    for one, other in zip(bits(bare.rows), bits(asked.rows), strict=True):
        assert one.items() <= other.items()
