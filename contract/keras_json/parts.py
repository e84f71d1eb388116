"""From Keras' configuration of a layer, an initializer, an optimizer, to our part of its name.

A part has Keras' own arguments, so most are taken as they are. An argument that a part does not
have is left out where it says nothing: where it is empty, or one of the defaults in `_SILENT`.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, get_args

from contract.experiment.base import Part, in_lower_case, kinds
from contract.experiment.initializers import InitializerName
from contract.experiment.layers.arguments import ActivationName
from contract.experiment.left_out import why
from contract.experiment.nearest import nearest
from contract.experiment.pointers import Path
from contract.keras_json.fault import Untranslatable, expect

# Of arguments that no part has, the values that change nothing. None, false and empty lists never
# do.
_SILENT: Mapping[str, tuple[Any, ...]] = {
    "name": (),  # any
    "dtype": (),
    "data_format": ("channels_last",),
    "autocast": (True,),
    "ema_momentum": (0.99,),
    "reduction": ("sum_over_batch_size",),
    "axis": (-1,),  # of a loss
    "scale_by": (1.0,),
}
_ANY = ("name", "dtype")
# Where we take the other name that Keras has for a class, by the module that it writes.
_RENAMED = {"keras.initializers.Identity": "IdentityInitializer"}


def part_of(document: Any, path: Path, known: Iterable[type[Part]], **fixed: Any) -> dict[str, Any]:
    """What stands for `document`, {"class_name": ..., "config": {...}}, in an experiment.

    `known` are the classes that it may be; `fixed` has members of the answer besides. Raises
    Untranslatable.
    """
    given = expect(document, dict, path, 'an object with "class_name" and "config"')
    name = expect(given.get("class_name"), str, (*path, "class_name"), "the name of a class")
    config = expect(given.get("config"), dict, (*path, "config"), "an object of arguments")
    by_name = {kind.__name__: kind for kind in known}
    if name not in by_name:
        raise Untranslatable((*path, "class_name"), _no_such(name, sorted(by_name)))
    kind = by_name[name]
    found: dict[str, Any] = {"type": name, **fixed}
    if name == "Bidirectional":
        config = {argument: _unforced(value) for argument, value in config.items()}
    for argument, value in config.items():
        at = (*path, "config", argument)
        if argument in kind.model_fields and argument not in _ANY:
            taken = _value(value, at)
            if argument not in found and taken != _default(kind, argument):
                found[argument] = taken
        elif not _is_silent(argument, value):
            raise Untranslatable(
                at,
                f"{name} has no argument {argument[:100]} here that could be other than Keras' "
                f"default: leave it at that",
            )
    applied = found.get("activation")
    if name == "Activation" and isinstance(applied, dict) and applied.get("type") == "Clip":
        return applied  # Keras has it as an operation, which an Activation applies
    return found


def _no_such(name: str, known: Sequence[str]) -> str:
    if (reason := why(name, known)) is not None:
        return f"{name} cannot be taken: {reason}"
    near = nearest(name, known)
    meant = "" if near is None else f": did you mean {near}?"
    return f"{name[:100]} cannot be taken; there are {', '.join(known)}{meant}"


def _unforced(value: Any) -> Any:
    """A layer as it was before Keras' Bidirectional told it to give 0 for what is masked."""
    if not isinstance(value, dict) or not isinstance(value.get("config"), dict):
        return value
    config = {k: each for k, each in value["config"].items() if k != "zero_output_for_mask"}
    return {**value, "config": config}


def _default(kind: type[Part], argument: str) -> Any:
    default = kind.model_fields[argument].get_default()
    return list(default) if isinstance(default, tuple) else default


def _is_silent(argument: str, value: Any) -> bool:
    if argument in _ANY or value is None or value is False or value in ([], {}):
        return True
    return any(value == silent for silent in _SILENT.get(argument, ()))


def _value(value: Any, path: Path) -> Any:
    """A text, a list or an object as it is, a number as it was written; an object of Keras as our
    part of its name, or as a name alone."""
    if isinstance(value, list):
        return [_value(each, (*path, number)) for number, each in enumerate(value)]
    if isinstance(value, float):
        return _as_written(value)
    if not isinstance(value, dict):
        return value
    if "class_name" not in value:
        return {key: _value(each, (*path, key)) for key, each in value.items()}
    name = expect(value["class_name"], str, (*path, "class_name"), "the name of a class")
    if name == "function":  # of Keras, such as an activation
        return expect(value.get("config"), str, (*path, "config"), "the name of a function")
    config = expect(value.get("config"), dict, (*path, "config"), "an object of arguments")
    short = in_lower_case(name)
    if short in _names() and all(_is_silent(key, each) for key, each in config.items()):
        return short
    name = _RENAMED.get(f"{value.get('module')}.{name}", name)
    known = [kind for kind in kinds(Part) if kind.__name__ == name]
    return part_of({**value, "class_name": name}, path, known or kinds(Part))


def _as_written(value: float) -> float:
    """0.001 of 0.0010000000474974513, which is what float32 makes of it."""
    try:
        (rounded,) = struct.unpack("f", struct.pack("f", value))
        short = float(f"{value:.7g}")
        (again,) = struct.unpack("f", struct.pack("f", short))
    except (OverflowError, ValueError):
        return value
    return short if value == rounded == again else value


@cache
def _names() -> frozenset[str]:
    """Names that stand for an object without arguments."""
    return frozenset((*get_args(InitializerName), *get_args(ActivationName)))
