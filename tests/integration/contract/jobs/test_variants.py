"""What a patch makes of an experiment."""

from contract.jobs import create
from contract.jobs.variants import Variants
from contract.settings import Settings
from tests import jobs

TOP = "top_k_categorical_accuracy"


def test_metrics_that_a_change_leaves_without_meaning_are_left_out() -> None:
    asked = {"metrics": ["auc", TOP, "mse"], "early_stopping": {"monitor": "val_loss"}}
    training = jobs.experiment().training.model_dump(mode="json", exclude_unset=True) | asked
    variant = Variants(create.new(jobs.experiment(training=training), owner="me"), Settings())
    sparse = "sparse_categorical_crossentropy"
    changed = variant([{"op": "replace", "path": "/training/loss", "value": sparse}])
    assert changed is not None
    assert changed["training"]["metrics"] == []
    slower = variant([{"op": "replace", "path": "/training/batch_size", "value": 8}])
    assert slower is not None
    assert slower["training"]["metrics"] == ["auc", TOP, "mse"]


def test_what_training_goes_by_is_not_left_out() -> None:
    asked = {"metrics": ["auc"], "early_stopping": {"monitor": "val_auc"}}
    training = jobs.experiment().training.model_dump(mode="json", exclude_unset=True) | asked
    variant = Variants(create.new(jobs.experiment(training=training), owner="me"), Settings())
    sparse = "sparse_categorical_crossentropy"
    assert variant([{"op": "replace", "path": "/training/loss", "value": sparse}]) is None
