"""The baseline of the proof: random changes of the fields that repairs change."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import jsonpatch

from benchmarks.diagnosis.cases import Spec, full
from contract.errors import SpecRefused
from contract.experiment.datasets import Facts
from contract.experiment.spec import Experiment
from contract.settings import Settings
from contract.sizing.limits import check
from diagnosis.changes import put
from diagnosis.run.network import Network

Operations = list[Any]
# A trial changes one field, or several.
_MOST_FIELDS = 3


def trials(spec: Spec, facts: Facts, settings: Settings) -> Iterator[Spec]:
    """Endless experiments beside `spec` that can be trained, the same ones each time."""
    luck = random.Random(spec["name"])
    while True:
        draws = luck.sample(_FIELDS, luck.randint(1, _MOST_FIELDS))
        patch = [operation for draw in draws for operation in draw(luck, spec)]
        trial = full(jsonpatch.apply_patch(spec, patch))
        try:
            check(Experiment.model_validate(trial), facts, settings)
        except SpecRefused:
            continue
        if trial != spec:
            yield trial


def _scaling(luck: random.Random, spec: Spec) -> Operations:
    del spec
    return [put("/dataset/scaling", luck.choice(["none", "unit", "standard"]))]


def _target_scaling(luck: random.Random, spec: Spec) -> Operations:
    del spec
    return [put("/dataset/target_scaling", luck.choice(["none", "standard"]))]


def _learning_rate(luck: random.Random, spec: Spec) -> Operations:
    del spec
    return [put("/training/optimizer/learning_rate", 10 ** luck.uniform(-5, 0))]


def _epochs(luck: random.Random, spec: Spec) -> Operations:
    return [put("/training/epochs", luck.choice([1, 2, 4]) * spec["training"]["epochs"])]


def _batch_size(luck: random.Random, spec: Spec) -> Operations:
    del spec
    return [put("/training/batch_size", luck.choice([8, 32, 128]))]


def _activation(luck: random.Random, spec: Spec) -> Operations:
    kind = luck.choice(["relu", "leaky_relu", "tanh", "sigmoid"])
    hidden = Network(spec["model"]["layers"]).hidden
    return [put(f"{block.activated_at.pointer}/activation", kind) for block in hidden]


def _initializer(luck: random.Random, spec: Spec) -> Operations:
    kind = luck.choice(["glorot_uniform", "he_normal"])
    blocks = Network(spec["model"]["layers"]).blocks
    return [put(f"{block.node.pointer}/{block.kernel}", kind) for block in blocks]


def _width(luck: random.Random, spec: Spec) -> Operations:
    hidden = [b for b in Network(spec["model"]["layers"]).hidden if b.layer["type"] == "Dense"]
    units = luck.choice([8, 32, 128])
    return [put(f"{block.node.pointer}/units", units) for block in hidden]


def _output(luck: random.Random, spec: Spec) -> Operations:
    head = Network(spec["model"]["layers"]).head
    kind = luck.choice(["linear", "sigmoid", "softmax"])
    return [put(f"{head.activated_at.pointer}/activation", kind)] if head else []


def _loss(luck: random.Random, spec: Spec) -> Operations:
    del spec
    losses = ["categorical_crossentropy", "binary_crossentropy", "mean_squared_error"]
    return [put("/training/loss", luck.choice(losses))]


_FIELDS: list[Callable[[random.Random, Spec], Operations]] = [
    _scaling,
    _target_scaling,
    _learning_rate,
    _epochs,
    _batch_size,
    _activation,
    _initializer,
    _width,
    _output,
    _loss,
]
