"""The seed experiments: each a file that can be POSTed as it is."""

import json
from pathlib import Path
from typing import Any

import pytest

from api.jobs import recipes
from contract.experiment.datasets import facts_of
from contract.experiment.spec import Experiment
from contract.settings import Settings
from contract.sizing.limits import check

RECIPES = Path(__file__).parents[4] / "recipes"
# Name, input scaling, units of the layers that have any, activations, optimizer, parameters.
EXPECTED = {
    "sigmoid-raw": ("none", [100, 10], ["sigmoid", "softmax"], "SGD", 79_510),
    "relu-raw": ("none", [100, 10], ["relu", "softmax"], "SGD", 79_510),
    "relu-unit": ("unit", [100, 10], ["relu", "softmax"], "SGD", 79_510),
    "sigmoid-unit": ("unit", [100, 10], ["sigmoid", "softmax"], "SGD", 79_510),
    "relu-300-clip": ("unit", [300, 10], ["relu", "softmax"], "Adam", 238_510),
    "keras-mnist-mlp": ("unit", [512, 512, 10], ["relu", "relu", "softmax"], "RMSprop", 669_706),
    "relu-output": ("none", [100, 10], ["relu", "relu"], "SGD", 79_510),
}


def read(name: str) -> Any:
    return json.loads((RECIPES / f"{name}.json").read_text())


def test_the_folder_holds_these_and_no_others() -> None:
    assert {path.name for path in RECIPES.glob("*.json")} == {f"{name}.json" for name in EXPECTED}
    assert set(recipes.DESCRIPTIONS) == set(recipes.RECIPES)
    assert all(json.loads(text)["name"] == name for name, text in recipes.RECIPES.items())


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recipe_is_what_it_says(name: str) -> None:
    experiment = Experiment.model_validate_json((RECIPES / f"{name}.json").read_bytes())
    scaling, units, activations, optimizer, parameters = EXPECTED[name]
    body = read(name)
    layers = body["model"]["layers"]
    assert (experiment.name, experiment.dataset.name) == (name, "mnist")
    assert experiment.dataset.scaling == scaling
    assert [layer["units"] for layer in layers if "units" in layer] == units
    assert [layer["activation"] for layer in layers if "activation" in layer] == activations
    assert experiment.training.optimizer.type == optimizer
    assert check(experiment, facts_of("mnist"), Settings()).parameters == parameters


def test_the_four_of_the_question_differ_in_what_they_compare_alone() -> None:
    def stripped(name: str) -> Any:
        body = read(name)
        del body["name"], body["dataset"]["scaling"], body["model"]["layers"][1]["activation"]
        return body

    question = ["sigmoid-raw", "relu-raw", "relu-unit", "sigmoid-unit"]
    assert all(stripped(name) == stripped("sigmoid-raw") for name in question)
    training = read("relu-raw")["training"]
    assert training["optimizer"] == {"type": "SGD", "learning_rate": 0.01}
    assert (training["batch_size"], training["epochs"], training["seed"]) == (100, 15, 0)


def test_a_recipe_read_and_written_again_means_the_same() -> None:
    for name in EXPECTED:
        experiment = Experiment.model_validate(read(name))
        assert Experiment.model_validate_json(experiment.model_dump_json()) == experiment
