"""The seed experiments by name, and how a request changes one."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parents[2] / "recipes"


def _name(file: Path) -> str:
    """keras-addition-rnn for keras/addition_rnn.json."""
    return "-".join(file.relative_to(_FOLDER).with_suffix("").parts).replace("_", "-")


# As JSON text. They are part of this version, so they are read once.
RECIPES = dict(sorted((_name(file), file.read_text("utf-8")) for file in _FOLDER.rglob("*.json")))
# By name: what it is, and what is claimed of it.
DESCRIPTIONS: dict[str, str] = {
    name: text.strip()
    for name, text in tomllib.loads((_FOLDER / "descriptions.toml").read_text("utf-8")).items()
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
