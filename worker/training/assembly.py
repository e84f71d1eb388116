"""One experiment's model, optimizer, graphs and data, put together on the device."""

from dataclasses import dataclass
from typing import Any

from contract.datasets import Facts
from contract.spec import Experiment
from contract.targets import Layout, label_layout
from worker.training.construct import build, construct, construct_loss
from worker.training.epoch import Examples, Passes
from worker.training.preparation import Affine, Part, Prepared, lay_out
from worker.training.tally import (
    ClassificationTally,
    MultiLabelTally,
    RegressionTally,
    Tally,
)


@dataclass(frozen=True)
class Assembly:
    """`model` is a `keras.Sequential` that takes scaled inputs, `passes` its traced graphs."""

    model: Any
    optimizer: Any
    tally: Tally
    passes: Passes
    train: Examples
    validation: Examples | None
    test: Examples


def assemble(experiment: Experiment, facts: Facts, data: Prepared) -> Assembly:
    """Build and trace. Weights are drawn from Keras' global seed, set before."""
    training = experiment.training
    model = build(experiment.model, facts.shape)
    optimizer = construct(training.optimizer)
    optimizer.build(model.trainable_variables)

    layout = label_layout(experiment, facts, model.output_shape[1:])
    tally = _tally(experiment, facts, layout, model.output_shape[-1], data.targets)

    def on_device(part: Part) -> Examples:
        return Examples.of(part.x, lay_out(part.y, layout, facts.classes))

    train, test = on_device(data.train), on_device(data.test)
    validation = test if data.validation is data.test else None
    if data.validation is not None and validation is None:
        validation = on_device(data.validation)
    batch_size = min(training.batch_size, len(train))
    passes = Passes(model, optimizer, construct_loss(training.loss), tally, data.inputs, batch_size)
    passes.trace(train)
    return Assembly(model, optimizer, tally, passes, train, validation, test)


def _tally(
    experiment: Experiment, facts: Facts, layout: Layout, units: int, targets: Affine
) -> Tally:
    if facts.classes is not None:
        return ClassificationTally(experiment.training.loss, layout, facts.classes, units)
    if facts.task == "multi_label":
        return MultiLabelTally(experiment.training.loss)
    return RegressionTally(facts.targets, targets.scale)
