"""The seed experiments by name, and how a request changes one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# As JSON text. They are part of this version, so they are read once.
RECIPES = {
    file.stem: file.read_text("utf-8")
    for file in sorted((Path(__file__).parents[2] / "recipes").glob("*.json"))
}


def experiment_of(recipe: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe's experiment, changed by `overrides`: a JSON Merge Patch (RFC 7396)."""
    experiment: dict[str, Any] = json.loads(RECIPES[recipe])
    # Not recursive: who nests deeply must not reach the end of our stack.
    todo = [(experiment, overrides)]
    while todo:
        target, patch = todo.pop()
        for name, value in patch.items():
            if value is None:
                target.pop(name, None)
            elif isinstance(value, Mapping):
                known = target.get(name)
                target[name] = dict(known) if isinstance(known, dict) else {}
                todo.append((target[name], value))
            else:
                target[name] = value
    return experiment
