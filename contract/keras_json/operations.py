"""Operations on tensors, which Keras writes as layers of their own: `x + y`, `x / 255`."""

from collections.abc import Callable, Mapping
from typing import Any

from contract.experiment.pointers import Path
from contract.keras_json.calls import Call
from contract.keras_json.fault import Untranslatable

# Of two tensors: the layer that does the same.
_MERGES = ("Add", "Subtract", "Multiply", "Maximum", "Minimum")
# Of a tensor and a number.
_RESCALINGS: Mapping[str, Callable[[float], tuple[float, float]]] = {
    "Add": lambda number: (1.0, number),
    "Subtract": lambda number: (1.0, -number),
    "Multiply": lambda number: (number, 0.0),
    "Divide": lambda number: (1.0 / number, 0.0),
    "TrueDivide": lambda number: (1.0 / number, 0.0),
}


def operation_of(document: Mapping[str, Any], path: Path, call: Call) -> dict[str, Any]:
    """The layer that computes the same. Raises Untranslatable."""
    name = str(document.get("class_name"))
    if len(call.tensors) == 2 and name in _MERGES:
        return {"type": name}
    if len(call.tensors) == 1 and len(call.constants) == 1 and name in _RESCALINGS:
        (number,) = call.constants
        if number or "Divide" not in name:
            scale, offset = _RESCALINGS[name](float(number))
            return {"type": "Rescaling", "scale": scale, "offset": offset}
    raise Untranslatable(
        (*path, "class_name"),
        f"the operation {name[:100]} has no layer here that does the same: use a layer of "
        f"keras.layers in its place",
    )
