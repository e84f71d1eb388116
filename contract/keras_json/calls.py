"""Calls of layers as Keras writes them: which tensors a layer was given, and with what besides."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contract.experiment.pointers import Path
from contract.keras_json.fault import Untranslatable, expect

_TENSOR = "__keras_tensor__"
# Keras' attention layers are given these by position or by name; the others by position.
_NAMED = ("query", "value", "key")
# Keras sets these by itself: masks follow from the layers, and training from who trains.
_OWN = ("mask", "training")


@dataclass(frozen=True)
class Tensor:
    """Output `index` of the call `node` of a `layer`."""

    layer: str
    node: int
    index: int


@dataclass(frozen=True)
class Call:
    """`tensors` in the order of the layer's inputs; `arguments` what it was told besides."""

    tensors: Sequence[Tensor]
    arguments: Mapping[str, Any]
    constants: Sequence[float] = ()


def call_of(document: Any, path: Path) -> Call:
    """From a node of `inbound_nodes`. Raises Untranslatable."""
    told = expect(document, dict, path, 'an object with "args" and "kwargs"')
    args = expect(told.get("args", []), list, (*path, "args"), "a list")
    kwargs = expect(told.get("kwargs", {}), dict, (*path, "kwargs"), "an object")
    found = [*_tensors(args, (*path, "args"))]
    arguments = {}
    for name in _NAMED:
        if name in kwargs:
            found += _tensors([kwargs[name]], (*path, "kwargs", name))
    for name, value in kwargs.items():
        if name in _NAMED or name in _OWN or (name.endswith("_mask") and _is_tensor(value)):
            continue
        if [*_tensors([value], path)]:
            raise Untranslatable(
                (*path, "kwargs", name), f"a layer cannot be given {name[:100]} here"
            )
        if value is not None and value is not False:
            arguments[name] = value
    constants = [each for each in args if isinstance(each, int | float)]
    return Call(found, arguments, constants)


def tensor_of(history: Any, path: Path) -> Tensor:
    """From [layer, node, index]. Raises Untranslatable."""
    told = expect(history, list, path, "[layer, node, index]")
    if len(told) != 3:
        raise Untranslatable(path, "expected [layer, node, index]")
    name = expect(told[0], str, path, "the name of a layer")
    node, index = (expect(each, int, path, "a whole number") for each in told[1:])
    if node < 0 or index < 0:
        raise Untranslatable(path, "expected numbers from 0 on")
    return Tensor(name, node, index)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class_name") == _TENSOR


def _tensors(value: Any, path: Path) -> Iterator[Tensor]:
    """Those in a value, however deep in lists."""
    waiting = [value]
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, list):
            waiting[:0] = each
        elif _is_tensor(each):
            config = expect(each.get("config"), dict, path, "a tensor's config")
            yield tensor_of(config.get("keras_history"), path)
