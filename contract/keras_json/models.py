"""From `model.to_json()` to the model of an experiment: one list of layers that name their inputs.

A nested model becomes its layers, with its name before theirs. A layer that is called twice is
there once, and used again. Only what leads to an output is taken: Keras also writes what computes
masks, which its layers do by themselves.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contract.experiment.layers import KINDS
from contract.experiment.pointers import Path
from contract.keras_json.calls import Call, Tensor, call_of, tensor_of
from contract.keras_json.fault import Untranslatable, expect
from contract.keras_json.operations import operation_of
from contract.keras_json.parts import part_of

_MODELS = ("Sequential", "Functional", "Model")
_MOST_ENTRIES, _DEEPEST, _LONGEST = 2_000, 20, 100
_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]")

Wire = str  # the name of an entry of `model.layers`


def is_keras(document: Any) -> bool:
    """Whether it is a model as Keras writes one."""
    return isinstance(document, dict) and "class_name" in document


def model_of(document: Any, path: Path = ()) -> dict[str, Any]:
    """`model` of an experiment, from what `model.to_json()` gives.

    Raises Untranslatable, with the place of the fault; `document` stands at `path`.
    """
    translation = _Translation()
    outputs = translation.outputs(_Scope(document, path))
    layers = translation.layers()
    if [layer["name"] for layer in layers[-1:]] == outputs and _is_chain(layers):
        layers = [{k: v for k, v in layer.items() if k != "inputs"} for layer in layers]
    found: dict[str, Any] = {"layers": layers}
    if len(outputs) > 1:
        found["outputs"] = outputs
    if policy := _policy(document, path):
        found["dtype_policy"] = policy
    return found


@dataclass(eq=False)
class _Scope:
    """One use of a model. `given` are the wires that its inputs are, None for the outermost."""

    document: Any
    path: Path
    names: tuple[str, ...] = ()
    position: tuple[int, ...] = ()
    given: Sequence[Wire] | None = None
    layers: dict[str, tuple[int, Mapping[str, Any]]] = field(init=False)

    def __post_init__(self) -> None:
        given = expect(self.document, dict, self.path, "a model")
        if given.get("class_name") not in _MODELS:
            raise Untranslatable(
                (*self.path, "class_name"),
                f"{str(given.get('class_name'))[:100]} is no model that can be taken: expected "
                f"Sequential or Functional",
            )
        if len(self.names) > _DEEPEST:
            raise Untranslatable(self.path, f"models are nested more than {_DEEPEST} deep")
        self.config = expect(given.get("config"), dict, (*self.path, "config"), "an object")
        at = (*self.path, "config", "layers")
        self.layers = {}
        layers = expect(self.config.get("layers"), list, at, "a list")
        if len(layers) > _MOST_ENTRIES:
            raise _too_many(self.path)
        for number, layer in enumerate(layers):
            told = expect(layer, dict, (*at, number), "a layer")
            config = expect(told.get("config"), dict, (*at, number, "config"), "an object")
            name = told.get("name", config.get("name"))
            self.layers[expect(name, str, (*at, number, "name"), "a name")] = (number, told)

    @property
    def is_sequential(self) -> bool:
        return bool(self.document["class_name"] == "Sequential")

    def at(self, name: str) -> Path:
        return (*self.path, "config", "layers", self.layers[name][0])

    def ends(self, side: str) -> list[Tensor]:
        """Its `input_layers` or `output_layers`: Keras writes one alone without a list around."""
        if self.is_sequential:
            ordered = [*self.layers]
            if not ordered:
                raise Untranslatable(self.path, "a model without layers")
            return [Tensor(ordered[0 if side == "input_layers" else -1], 0, 0)]
        told, at = self.config.get(side), (*self.path, "config", side)
        if isinstance(told, dict):
            raise Untranslatable(at, "inputs and outputs in objects cannot be taken: use lists")
        several: list[Any] = [told]
        if isinstance(told, list) and told and isinstance(told[0], list):
            several = told
        return [tensor_of(each, at) for each in several]

    def call(self, name: str, node: int) -> Call:
        """The call of the layer `name` whose output is that of its node."""
        number, told = self.layers[name]
        if self.is_sequential:
            before = [*self.layers][number - 1] if number else None
            return Call([] if before is None else [Tensor(before, 0, 0)], {})
        at = (*self.at(name), "inbound_nodes")
        nodes = expect(told.get("inbound_nodes"), list, at, "a list")
        if node >= len(nodes):
            raise Untranslatable(at, f"there is no node {node}, of which the output is asked for")
        return call_of(nodes[node], (*at, node))


@dataclass(frozen=True)
class _Use:
    """One call of a `layer`, named by those of the models that it is in and its own."""

    position: tuple[int, ...]
    layer: tuple[str, ...]
    entry: dict[str, Any]
    part: dict[str, Any]


class _Translation:
    """What was translated, and what is to be: from the outputs back to the inputs."""

    def __init__(self) -> None:
        self._wires: dict[tuple[int, str, int], list[Wire]] = {}
        self._scopes: list[_Scope] = []  # kept, so that their ids stay their own
        self._depth = 0
        self._names: set[str] = set()
        self._waiting: list[tuple[_Scope, str, int, Wire]] = []
        self._found: list[_Use] = []

    def outputs(self, scope: _Scope) -> list[Wire]:
        """The wires of a model's outputs; all that leads to them is translated."""
        wires = self._outputs(scope)
        while self._waiting:
            self._add(*self._waiting.pop())
        return wires

    def layers(self) -> list[dict[str, Any]]:
        """In the order in which Keras has them; what is called again names the first call."""
        owners: dict[tuple[str, ...], Wire] = {}
        layers = []
        for use in sorted(self._found, key=lambda use: use.position):
            owner = owners.setdefault(use.layer, use.entry["name"])
            own = use.entry["name"] == owner
            layers.append({**use.entry, **(use.part if own else {"layer": owner})})
        return layers

    def _outputs(self, scope: _Scope) -> list[Wire]:
        self._scopes.append(scope)
        return [self._wire(scope, tensor) for tensor in scope.ends("output_layers")]

    def _wire(self, scope: _Scope, tensor: Tensor) -> Wire:
        key = (id(scope), tensor.layer, tensor.node)
        if key not in self._wires:
            self._wires[key] = self._called(scope, tensor)
        wires = self._wires[key]
        if tensor.index >= len(wires):
            raise Untranslatable(scope.path, f"{tensor.layer} has no output {tensor.index}")
        return wires[tensor.index]

    def _called(self, scope: _Scope, tensor: Tensor) -> list[Wire]:
        if tensor.layer not in scope.layers:
            raise Untranslatable(scope.path, f"there is no layer {tensor.layer[:100]}")
        number, told = scope.layers[tensor.layer]
        kind = told.get("class_name")
        if kind == "InputLayer" and scope.given is not None:
            places = [each.layer for each in scope.ends("input_layers")]
            return [scope.given[places.index(tensor.layer)]]
        names = (*scope.names, tensor.layer)
        if kind in _MODELS:
            call = scope.call(tensor.layer, tensor.node)
            self._deeper(scope)
            given = [self._wire(scope, each) for each in call.tensors]
            self._depth -= 1
            position = (*scope.position, number, tensor.node)
            return self._outputs(_Scope(told, scope.at(tensor.layer), names, position, given))
        wire = self._unused("_".join(names), tensor.node)
        self._waiting.append((scope, tensor.layer, tensor.node, wire))
        return [wire]

    def _deeper(self, scope: _Scope) -> None:
        """A chain of nested models is followed by recursion, so its length has a bound."""
        self._depth += 1
        if self._depth > _LONGEST or len(self._scopes) > _MOST_ENTRIES:
            raise Untranslatable(scope.path, "more nested models than can be taken")

    def _add(self, scope: _Scope, name: str, node: int, wire: Wire) -> None:
        number, told = scope.layers[name]
        if len(self._found) >= _MOST_ENTRIES:
            raise _too_many(scope.path)
        entry: dict[str, Any] = {"name": wire}
        if told.get("class_name") == "InputLayer":
            part: dict[str, Any] = {"type": "Input"}
        else:
            call = scope.call(name, node)
            wires = [self._wire(scope, each) for each in call.tensors]
            if not wires and scope.given:
                wires = list(scope.given)
            if wires:
                entry["inputs"] = wires
            part = self._layer(told, scope.at(name), call)
        position = (*scope.position, number, node)
        self._found.append(_Use(position, (*scope.names, name), entry, part))

    @staticmethod
    def _layer(told: Mapping[str, Any], path: Path, call: Call) -> dict[str, Any]:
        if str(told.get("module", "")).startswith("keras.src.ops"):
            return operation_of(told, path, call)
        return part_of(told, path, KINDS, **call.arguments)

    def _unused(self, wanted: str, node: int) -> Wire:
        base = _NO_NAME.sub("_", wanted).lstrip(".-")[:90] or "layer"
        name, number = base, node
        while name in self._names or (number and name == base):
            name, number = f"{base}_{number or 1}", number + 1
        self._names.add(name)
        return name


def _is_chain(layers: Sequence[Mapping[str, Any]]) -> bool:
    before: list[list[Wire] | None] = [None, *([layer["name"]] for layer in layers)]
    return all(
        layer.get("inputs") == taken and "type" in layer
        for layer, taken in zip(layers, before, strict=False)
    )


def _policy(document: Any, path: Path) -> str | None:
    """The layers' dtype policy, where it is not float32."""
    found = {*_policies(document)} - {"float32"}
    if len(found) > 1:
        raise Untranslatable(path, f"expected one dtype for all layers; received {sorted(found)}")
    return found.pop() if found else None


def _policies(document: Mapping[str, Any]) -> Iterator[str]:
    for layer in document["config"].get("layers", ()):
        config = layer.get("config", {}) if isinstance(layer, dict) else {}
        dtype = config.get("dtype")
        if layer.get("class_name") in _MODELS:
            yield from _policies(layer)
        elif layer.get("class_name") != "InputLayer" and dtype is not None:
            yield str(dtype["config"]["name"]) if isinstance(dtype, dict) else str(dtype)


def _too_many(path: Path) -> Untranslatable:
    return Untranslatable(path, f"the model has more than {_MOST_ENTRIES:,} layers")
