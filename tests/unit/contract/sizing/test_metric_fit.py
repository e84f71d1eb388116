"""Which metrics a run has, and what is refused of those that it is asked for."""

from typing import Any

import pytest

from contract.experiment.metrics.confusion import AUC
from contract.experiment.spec import Experiment
from contract.settings import Settings
from contract.sizing.limits import check
from contract.sizing.metric_fit import fitting, metrics_of
from tests.unit.contract.sizing.test_budget import (
    LABELLED,
    PAIRS,
    UPLOADS,
    VECTORS,
    accepted,
    dense,
    experiment,
    refused,
)

LOGITS = {"type": "CategoricalCrossentropy", "from_logits": True}
SPARSE = "sparse_categorical_crossentropy"


def on(name: str, *metrics: Any, units: int | None = None, **training: Any) -> Experiment:
    outputs = UPLOADS[name].output_shape[-1] if units is None else units
    return experiment([dense(outputs)], {"name": name}, metrics=list(metrics), **training)


def names(spec: Experiment) -> list[str]:
    facts = UPLOADS[spec.dataset.name]
    shape = check(spec, facts, Settings()).output_shape
    return [metric.name for metric in metrics_of(spec, facts, shape)]


def test_what_is_asked_for_comes_after_what_is_measured_anyway() -> None:
    precisions = {"type": "Precision", "thresholds": [0.2, 0.8]}
    assert names(on(VECTORS, "accuracy", "AUC", precisions, "f1_score")) == [
        "loss", "accuracy", "AUC", "precision_0", "precision_1",
        "f1_score_0", "f1_score_1", "f1_score_2",
    ]  # fmt: skip
    macro = {"type": "F1Score", "average": "macro"}
    assert names(on(VECTORS, macro)) == ["loss", "accuracy", "f1_score"]
    each = {"type": "R2Score", "class_aggregation": None, "name": "of"}
    assert names(on(PAIRS, "mae", each, loss="mse")) == ["loss", "mae", "r2", "of_0", "of_1"]


@pytest.mark.parametrize(
    ("spec", "pointer", "said"),
    [
        (on(VECTORS, "auc", "auc"), "1", "auc is measured already"),
        (on(VECTORS, "auc", {"type": "AUC"}), "1", "auc is measured already"),
        (on(VECTORS, "accuracy", "accuracy"), "1", "accuracy is measured already"),
        (on(VECTORS, {"type": "AUC", "name": "loss"}), "0/name", "loss is measured already"),
        (on(VECTORS, {"type": "F1Score", "name": "x"}, {"type": "AUC", "name": "x_2"}), "1/name",
         "x_2 is measured already"),
        (on(VECTORS, {"type": "AUC", "name": "val_auc"}), "0/name", "begins with val_"),
        (on(VECTORS, {"type": "AUC", "name": "epoch"}), "0/name", "something else is called"),
        (on(VECTORS, "mape"), "0", "mape is for quantities"),
        (on(PAIRS, "accuracy", loss="mse"), "0", "accuracy is for classification, multi_label"),
        (on(PAIRS, "auc", loss="mse"), "0", "expected one of MeanSquaredError"),
        (on(LABELLED, "categorical_accuracy", loss="mse"), "0", "for one-hot classes"),
        (on(VECTORS, "auc", loss=SPARSE), "0", "or take the loss categorical_crossentropy"),
        (on(VECTORS, "sparse_categorical_accuracy"), "0", "for class numbers"),
        (on(VECTORS, "top_k_categorical_accuracy"), "0", "always among the first 5"),
        (on(VECTORS, {"type": "TopKCategoricalAccuracy", "k": 3}), "0/k", "take less"),
        (on(VECTORS, {"type": "Recall", "class_id": 3}), "0/class_id", "0 to 2"),
        (on(VECTORS, {"type": "Recall", "top_k": 4}), "0/top_k", "3 output"),
        (on(VECTORS, {"type": "AUC", "label_weights": [1, 2]}), "0/label_weights", "3 weights"),
        (on(VECTORS, {"type": "AUC", "multi_label": True, "num_labels": 4}), "0/num_labels",
         "expected 3"),
        (on(VECTORS, {"type": "MeanIoU", "num_classes": 3, "sparse_y_true": False}),
         "0/sparse_y_pred", "a number for each class"),
        (on(VECTORS, {"type": "IoU", "num_classes": 3, "target_class_ids": [0],
                      "sparse_y_pred": False}), "0/sparse_y_true", "set it to false"),
        (on(VECTORS, {"type": "OneHotMeanIoU", "num_classes": 2}), "0/num_classes", "at least 3"),
        (on(VECTORS, "auc", loss=LOGITS), "0", "set its from_logits too"),
        (on(VECTORS, "precision", loss=LOGITS), "0", "end the model with their activation"),
        (on(VECTORS, "precision", units=1, loss="mse"), "0", "cannot tell 3 classes"),
        (on(VECTORS, "pearson_correlation", units=1, loss="mse"), "0", "for one-hot classes"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_pointed_at(spec: Experiment, pointer: str, said: str) -> None:
    error = refused(spec)
    assert error.pointer == f"/training/metrics/{pointer}"
    assert said in error.detail


def test_one_output_needs_a_threshold_of_its_own() -> None:
    moons = {"name": "moons"}
    error = refused(experiment([dense(1)], moons, loss="mse", metrics=["f1_score"]))
    assert error.pointer == "/training/metrics/0"
    assert "0.5" in error.detail
    sure = {"type": "F1Score", "threshold": 0.5}
    accepted(experiment([dense(1)], moons, loss="mse", metrics=[sure, "auc", "binary_io_u"]))


def test_logits_are_taken_by_what_is_told_of_them() -> None:
    told = [{"type": "AUC", "from_logits": True}, "categorical_accuracy", "mse"]
    assert names(on(VECTORS, *told, loss=LOGITS))[2:] == ["auc", "categorical_accuracy", "mse"]


def test_columns_are_bounded() -> None:
    lists = [{"type": "Recall", "thresholds": [0.5] * 49, "name": name} for name in "ab"]
    assert len(names(on(VECTORS, *lists))) == 100
    error = refused(on(VECTORS, *lists, "auc"))
    assert error.pointer == "/training/metrics"


def test_what_thresholds_take_is_counted() -> None:
    bare, asked = (
        accepted(on(VECTORS, *metrics)).memory.activations
        for metrics in ([], [{"type": "Recall", "thresholds": [0.1, 0.2]}])
    )
    assert asked - bare == 4 * 100 * 3 * 3 * 2
    each = AUC(type="AUC", multi_label=True, num_thresholds=10_000)
    assert not [*each.faults("multi_label", 100, None)]
    [(field, detail)] = each.faults("multi_label", 101, None)
    assert (field, detail.startswith("10,000 for each of 101")) == ("num_thresholds", True)


@pytest.mark.parametrize(
    ("monitor", "taken"),
    [("val_auc", True), ("sure_1", True), ("sure", False), ("true_positives", False),
     ("val_f1_score", False)],
)  # fmt: skip
def test_early_stopping_may_go_by_what_is_asked_for(monitor: str, taken: bool) -> None:
    sure = {"type": "Recall", "thresholds": [0.2, 0.8], "name": "sure"}
    spec = on(
        VECTORS, "auc", "f1_score", "true_positives", sure, early_stopping={"monitor": monitor}
    )
    if taken:
        accepted(spec)
    else:
        error = refused(spec)
        assert error.pointer == "/training/early_stopping/monitor"
        assert "val_sure_0" in error.detail


@pytest.mark.parametrize(
    ("monitor", "meant"),
    [("val_acc", "val_accuracy"), ("acc", "accuracy"), ("validation_loss", "val_loss"),
     ("val_AUC", "val_auc")],
)  # fmt: skip
def test_the_monitor_that_was_meant_is_told(monitor: str, meant: str) -> None:
    error = refused(on(VECTORS, "auc", early_stopping={"monitor": monitor}))
    assert error.detail.endswith(f": did you mean {meant}?")


def test_of_a_changed_model_what_does_not_fit_is_left_out() -> None:
    spec = on(VECTORS, "auc", "mse", "sparse_categorical_accuracy", "mape")
    assert fitting(spec, UPLOADS[VECTORS]).training.metrics == ("auc", "mse")
    whole = on(VECTORS, "auc")
    assert fitting(whole, UPLOADS[VECTORS]) is whole
