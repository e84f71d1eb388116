"""Stored models are plain Keras: they load, and say the same, where there is no code of ours."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from contract.experiment.spec import DTypePolicy, Experiment
from tests.acceptance.test_training import DIGITS, EVERY_LAYER, arrays, finish, prepared, spec

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.json"))
POOLED = {"type": "MaxPooling2D"}
ELSEWHERE = """
import importlib.util, sys
import keras, numpy as np
assert importlib.util.find_spec("worker") is None, "our code is on the path"
for name in sys.argv[1:]:
    model = keras.models.load_model(f"{name}.keras")
    np.save(f"{name}.told.npy", model.predict(np.load(f"{name}.npy"), verbose=0))
"""


def experiments() -> dict[str, Experiment]:
    """Every recipe, on digits, and every layer in every precision."""
    found = {}
    for path in RECIPES:
        recipe: dict[str, Any] = json.loads(path.read_text())
        recipe["dataset"] = {**recipe["dataset"], "name": DIGITS["name"]}
        recipe["training"]["epochs"] = 1
        found[path.stem] = Experiment.model_validate(recipe)
    for policy in get_args(DTypePolicy):
        every = [EVERY_LAYER[0], POOLED, *EVERY_LAYER[1:]]
        found[policy] = spec(every, dtype_policy=policy, epochs=1)
    return found


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_stored_models_load_without_our_code(tmp_path: Path) -> None:
    """What they say there makes the very confusion matrix that was stored."""
    made = {}
    for name, experiment in experiments().items():
        folder = tmp_path / f"{name}-run"
        folder.mkdir()
        end, _ = finish(experiment, folder)
        end.model.rename(tmp_path / f"{name}.keras")
        data = prepared(experiment)
        np.save(tmp_path / f"{name}.npy", data.inputs(data.test.x))
        made[name] = (experiment, end)
    command = [sys.executable, "-I", "-c", ELSEWHERE, *made]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=300)
    for name, (experiment, end) in made.items():
        predicted = np.load(tmp_path / f"{name}.told.npy").argmax(axis=1)
        expected = np.zeros((10, 10), int)
        np.add.at(expected, (arrays(experiment).y_test, predicted), 1)
        assert end.confusion_matrix == expected.tolist(), name
