"""What an optimizer's arguments say of its steps."""

from dataclasses import replace
from typing import Any

import pytest

from contract.experiment.optimizers import OPTIMIZERS
from diagnosis.causes import batch_size, initialisation, learning_rate, regularisation, undertrained
from diagnosis.diagnose import diagnose
from diagnosis.run.procedure import Procedure
from diagnosis.run.setup import Setup
from tests.diagnosed import HEALTHY, HIDDEN, START, case, spec
from tests.unit.diagnosis.test_misfits import setup


def trained(optimizer: dict[str, Any], **training: Any) -> Setup:
    run = setup("digits", 10, "softmax", "categorical_crossentropy")
    spec = {**run.spec, "training": {**run.spec["training"], "optimizer": optimizer, **training}}
    return Setup(spec, run.facts)


@pytest.mark.parametrize("kind", OPTIMIZERS.values())
def test_no_optimizer_is_said_to_be_too_fast_with_its_defaults(kind: Any) -> None:
    optimizer = kind(type=kind.__name__).model_dump(mode="json")
    assert list(learning_rate.findings(trained(optimizer))) == []
    assert list(regularisation.findings(trained(optimizer))) == []
    assert Procedure({"optimizer": optimizer}).excess <= 10


def test_adadelta_is_slow_with_the_default_of_keras() -> None:
    (finding,) = undertrained.findings(trained({"type": "Adadelta", "learning_rate": 0.001}))
    assert "1,000 times below what Adadelta is usually run with" in finding.detail


def test_muons_momentum_adds_no_steps_up() -> None:
    muon = Procedure({"optimizer": {"type": "Muon", "learning_rate": 0.001, "momentum": 0.95}})
    assert muon.step_rate == 0.001


@pytest.mark.parametrize(
    ("optimizer", "warned"),
    [
        ({"type": "AdamW", "learning_rate": 0.001, "weight_decay": 0.4}, False),
        ({"type": "AdamW", "learning_rate": 0.001, "weight_decay": 0.6}, True),
        ({"type": "SGD", "learning_rate": 0.01, "weight_decay": 0.004}, False),
        ({"type": "SGD", "learning_rate": 0.01, "weight_decay": 0.06}, True),
        ({"type": "Lion", "learning_rate": 0.0001, "weight_decay": 1.0}, False),
    ],
)
def test_weight_decay_counts_with_the_rate(optimizer: dict[str, Any], warned: bool) -> None:
    found = [*regularisation.findings(trained(optimizer))]
    assert [each.pointer for each in found] == ["/training/optimizer/weight_decay"] * warned


def test_batches_that_are_added_up_are_not_single_examples() -> None:
    alone, added = (
        [*batch_size.findings(trained({"type": "Adam", **more}, batch_size=1))]
        for more in ({}, {"gradient_accumulation_steps": 32})
    )
    assert len(alone) == 1
    assert added == []


@pytest.mark.parametrize(
    ("optimizer", "warned"),
    [
        ({"type": "Ftrl", "initial_accumulator_value": 0.1}, True),
        ({"type": "Ftrl", "initial_accumulator_value": 0.0}, False),
        ({"type": "Adagrad"}, False),
    ],
)
def test_ftrl_forgets_hidden_layers(optimizer: dict[str, Any], warned: bool) -> None:
    found = [*initialisation.findings(trained(optimizer))]
    assert [each.pointer for each in found] == ["/training/optimizer"] * warned


def test_a_run_that_ftrl_kept_at_chance_is_explained_by_it() -> None:
    found = diagnose(case(0.1, losses=(2.3,) * 6, experiment=spec(optimizer={"type": "Ftrl"})))
    assert found.causes[0].title == "The optimizer forgets the initial weights"
    assert found.causes[0].repairs[0].patch[0]["value"]["type"] == "Adam"


@pytest.mark.parametrize(("more", "measured"), [({}, 0.0), ({"steps": 4}, None)])
def test_a_step_that_only_adds_up_gradients_moves_nothing_and_tells_nothing(
    more: dict[str, int], measured: float | None
) -> None:
    still = replace(HIDDEN, update_ratio=0.0)
    end = replace(START, step=225, epoch=15, at_epoch_end=True, layers=[still])
    signals = replace(HEALTHY, moments=[START, end])
    accumulated = {"gradient_accumulation_steps": more.get("steps")}
    run = case(0.1, signals, experiment=spec(optimizer={"type": "SGD", **accumulated}))
    assert run.readings.updates == measured
    assert run.weight_changes == run.steps // more.get("steps", 1)
