"""What the fields of the API mean, by their name: one name means the same wherever it stands.

A model that says more of a field itself (`Field(description=...)`) is not overruled.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from contract.experiment.base import Part
from contract.experiment.constraints import ConstraintObject
from contract.experiment.initializers import InitializerObject, RegularizerObject
from contract.experiment.layers import KINDS as LAYERS
from contract.experiment.losses import LossObject
from contract.experiment.metrics import KINDS as METRICS
from contract.experiment.optimizers import OptimizerObject
from contract.experiment.schedules import Schedule

WORDS = json.loads(Path(__file__).with_name("words.json").read_text("utf-8"))


def _parts(union: Any) -> Sequence[type[Part]]:
    parts: Sequence[type[Part]] = get_args(get_args(union)[0])
    return parts


# Where Keras has what a spec names; `Clip` is none of its layers.
_KERAS = {
    "layers": LAYERS,
    "optimizers": _parts(OptimizerObject),
    "optimizers.schedules": _parts(Schedule),
    "losses": _parts(LossObject),
    "metrics": METRICS,
    "initializers": _parts(InitializerObject),
    "regularizers": _parts(RegularizerObject),
    "constraints": _parts(ConstraintObject),
}


def describe(document: Mapping[str, Any]) -> None:
    """Give each schema, field and parameter of an OpenAPI document its description, in place."""
    schemas = document["components"]["schemas"]
    for package, parts in _KERAS.items():
        for part in parts:
            schema = schemas[part.__qualname__]
            schema.setdefault("description", f"`keras.{package}.{part.__name__}`.")
            schema["title"] = part.__qualname__  # by which clients that are made of it name it
    for schema in schemas.values():
        for name, field in schema.get("properties", {}).items():
            _give(field, WORDS["fields"], name)
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                _give(parameter, WORDS["parameters"], parameter["name"])


def _give(target: dict[str, Any], words: Mapping[str, str], name: str) -> None:
    if name in words:
        target.setdefault("description", words[name])
