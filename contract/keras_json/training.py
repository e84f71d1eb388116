"""From `model.get_compile_config()` to optimizer, loss and metrics of an experiment's training."""

from collections.abc import Iterator, Mapping
from typing import Any

from contract.experiment.losses import LOSSES
from contract.experiment.metrics import KINDS
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
    # What its own "auto" came to, on the machine where it was compiled.
    "jit_compile": (None, False, True, "auto"),
}
# Of names of metrics.
_LONG = {"acc": "accuracy"}


def is_compiled(training: Mapping[str, Any]) -> bool:
    """Whether optimizer, loss or metrics are given as Keras writes them."""
    metrics = training.get("metrics")
    given = [training.get("optimizer"), training.get("loss")]
    given += metrics if isinstance(metrics, list) else [metrics]
    return any(isinstance(each, dict) and "class_name" in each for each in given)


def training_of(training: Mapping[str, Any], path: Path = ()) -> dict[str, Any]:
    """`training` of an experiment, from one that has members of `model.get_compile_config()`.

    The other members are left as they are. Raises Untranslatable.
    """
    found = {name: value for name, value in training.items() if name not in (*_SILENT, "metrics")}
    for name, silent in _SILENT.items():
        if training.get(name, silent[0]) not in silent:
            raise Untranslatable((*path, name), f"{name} cannot be other than {silent[0]!r} here")
    metrics = list(_metrics(training.get("metrics"), (*path, "metrics")))
    if metrics:
        found["metrics"] = metrics
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


def _metrics(given: Any, path: Path) -> Iterator[Any]:
    """Those of all outputs, of which a model has one."""
    if isinstance(given, Mapping) and not given.keys() & {"class_name", "type"}:
        given = [*given.values()]
    if isinstance(given, list):
        for number, each in enumerate(given):
            yield from _metrics(each, (*path, number))
    elif isinstance(given, Mapping) and "class_name" in given:
        yield _metric(given, path)
    elif given is not None:
        yield _LONG.get(given, given) if isinstance(given, str) else given


def _metric(given: Mapping[str, Any], path: Path) -> Any:
    if given["class_name"] == "function":
        return given.get("config")
    found = part_of(given, path, KINDS)
    kind = next(kind for kind in KINDS if kind.__name__ == found["type"])
    name = given["config"].get("name")
    if name is not None and name != kind.model_construct(**found).column:
        found["name"] = name
    return found
