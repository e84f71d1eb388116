"""From `model.get_compile_config()` to the optimizer and the loss of an experiment's training."""

from collections.abc import Mapping
from typing import Any

from contract.experiment.losses import LOSSES
from contract.experiment.optimizers import OPTIMIZERS
from contract.experiment.pointers import Path
from contract.keras_json.fault import Untranslatable
from contract.keras_json.parts import part_of

# What `model.compile` takes besides, with the values that change nothing here.
_SILENT: Mapping[str, tuple[Any, ...]] = {
    "loss_weights": (None,),
    "weighted_metrics": (None, []),
    "run_eagerly": (False,),
    "steps_per_execution": (1,),
    "auto_scale_loss": (True,),
}
# Measured of each run, asked for or not.
_MEASURED = (None, "accuracy", "acc", "mae", "mean_absolute_error")


def is_compiled(training: Mapping[str, Any]) -> bool:
    """Whether optimizer or loss are given as Keras writes them."""
    return any(
        isinstance(training.get(name), dict) and "class_name" in training[name]
        for name in ("optimizer", "loss")
    )


def training_of(training: Mapping[str, Any], path: Path = ()) -> dict[str, Any]:
    """`training` of an experiment, from one that has members of `model.get_compile_config()`.

    The other members are left as they are. Raises Untranslatable.
    """
    found = {name: value for name, value in training.items() if name not in (*_SILENT, "metrics")}
    for name, silent in _SILENT.items():
        if training.get(name, silent[0]) not in silent:
            raise Untranslatable((*path, name), f"{name} cannot be other than {silent[0]!r} here")
    metrics = training.get("metrics") or []
    for number, metric in enumerate(metrics if isinstance(metrics, list) else [metrics]):
        if metric not in _MEASURED:
            raise Untranslatable(
                (*path, "metrics", number),
                "accuracy (mae for a regression) is measured of each run, and no others can be "
                "asked for here: leave this one out",
            )
    if isinstance(training.get("optimizer"), dict) and "class_name" in training["optimizer"]:
        found["optimizer"] = part_of(
            training["optimizer"], (*path, "optimizer"), OPTIMIZERS.values()
        )
    if isinstance(training.get("loss"), dict) and "class_name" in training["loss"]:
        found["loss"] = _loss(training["loss"], (*path, "loss"))
    return found


def _loss(given: Mapping[str, Any], path: Path) -> Any:
    if given["class_name"] == "function":
        return given.get("config")
    found = part_of(given, path, LOSSES.values())
    names = {kind.__name__: name for name, kind in LOSSES.items()}
    return names[found["type"]] if len(found) == 1 else found
