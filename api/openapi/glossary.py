"""What the fields of the API mean, by their name: one name means the same wherever it stands.

A model that says more of a field itself (`Field(description=...)`) is not overruled.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from contract.experiment.initializers import InitializerObject, Regularizer
from contract.experiment.layers import AnyLayer
from contract.experiment.losses import LossObject
from contract.experiment.optimizers import Optimizer, Schedule

WORDS = json.loads(Path(__file__).with_name("words.json").read_text("utf-8"))
# Where Keras has what a spec names; `Clip` is none of its layers.
_KERAS = {
    "layers": AnyLayer,
    "optimizers": Optimizer,
    "optimizers.schedules": Schedule,
    "losses": LossObject,
    "initializers": InitializerObject,
    "regularizers": Regularizer,
}


def describe(document: Mapping[str, Any]) -> None:
    """Give each schema, field and parameter of an OpenAPI document its description, in place."""
    schemas = document["components"]["schemas"]
    for package, union in _KERAS.items():
        for part in get_args(get_args(union)[0]):
            schema = schemas[part.__name__]
            schema.setdefault("description", f"`keras.{package}.{part.__name__}`.")
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
