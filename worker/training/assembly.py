"""One experiment's model, optimizer, graphs and data, put together on the device."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from contract.datasets import Facts
from contract.spec import Experiment
from contract.targets import Layout, label_layout
from worker.training.construct import build, construct, construct_loss
from worker.training.epoch import Examples, Passes
from worker.training.preparation import Affine, Part, Prepared, lay_out
from worker.training.signals.activations import stations
from worker.training.signals.initial import initial, probe_of
from worker.training.signals.moment import Lens
from worker.training.signals.watch import Watch
from worker.training.tally import (
    ClassificationTally,
    MultiLabelTally,
    RegressionTally,
    Tally,
    threshold_of,
)


@dataclass(frozen=True)
class Assembly:
    """`model` is a `keras.Sequential` that takes scaled inputs, `passes` its traced graphs.

    `watch` looks at the model while it is trained.
    """

    model: Any
    optimizer: Any
    tally: Tally
    passes: Passes
    watch: Watch
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
    loss = construct_loss(training.loss)
    passes = Passes(model, optimizer, loss, tally, data.inputs, batch_size)
    passes.trace(train)
    probe = probe_of(experiment, facts, data, layout, model, optimizer, loss)
    threshold = threshold_of(training.loss) if facts.classes is not None else None
    lens = Lens(model, stations(experiment.model.layers), probe, threshold) if probe else None
    first = partial(initial, experiment, facts, data, probe)
    watch = Watch(lens, first, passes.train_steps(train), training.epochs)
    return Assembly(model, optimizer, tally, passes, watch, train, validation, test)


def _tally(
    experiment: Experiment, facts: Facts, layout: Layout, units: int, targets: Affine
) -> Tally:
    if facts.classes is not None:
        return ClassificationTally(experiment.training.loss, layout, facts.classes, units)
    if facts.task == "multi_label":
        return MultiLabelTally(experiment.training.loss)
    return RegressionTally(facts.targets, targets.scale)
