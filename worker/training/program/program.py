"""One experiment's model, optimizer, graphs and data, put together on the device."""

import math
import random
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from contract.experiment.datasets import Facts
from contract.experiment.layers.layer import Shape
from contract.experiment.losses import loss_of
from contract.experiment.measured import asked_for
from contract.experiment.spec import Experiment, Training
from contract.sizing.label_layout import Layout, label_layout
from contract.sizing.trace import trace
from diagnosis.run.signals import DataSignals
from worker.training.built_model import BuiltModel
from worker.training.data.prepare import Affine, Part, Prepared, lay_out, looked_up
from worker.training.program.build import (
    build,
    construct_loss,
    construct_metric,
    construct_optimizer,
)
from worker.training.program.compilation import compiles
from worker.training.program.graphs import Examples, Passes
from worker.training.program.metrics import (
    ClassificationTally,
    KerasMetrics,
    Measures,
    MultiLabelTally,
    RegressionTally,
    Tally,
)
from worker.training.signals.activations import stations
from worker.training.signals.before_training import initial, probe_of
from worker.training.signals.data import unordered
from worker.training.signals.probe import Probe
from worker.training.signals.schedule import Watch
from worker.training.signals.snapshot import Lens


@dataclass(frozen=True)
class Program:
    """What one run leaves to the next that is like it: all but its numbers and its course.

    `model` is a `keras.Model` that takes scaled inputs, `passes` its traced graphs. `judged`
    is what the data alone says, `probe` and `lens` what the model is looked at with; these three
    are None with signals off.
    """

    model: Any
    optimizer: Any
    measures: Measures
    passes: Passes
    judged: DataSignals | None
    probe: Probe | None
    lens: Lens | None
    data: Prepared
    train: Examples
    validation: Examples | None
    test: Examples

    def begin_again(self, experiment: Experiment, facts: Facts) -> None:
        """Give all variables what they begin a run of `experiment` with in a new process."""
        built, optimizer = _drawn(experiment, facts)
        old, new_ones = self._parts(self.model, self.optimizer), self._parts(built.keras, optimizer)
        for kept, new in zip(old, new_ones, strict=True):
            kept.assign(new.value)

    def watch(self, experiment: Experiment, facts: Facts) -> Watch:
        """A new one, for a run of `experiment`."""
        first = partial(initial, experiment, facts, self.data, self.judged, self.probe)
        steps = self.passes.train_steps(self.train)
        return Watch(self.lens, first, steps, experiment.training.epochs)

    def learning_rate(self, training: Training) -> float:
        """Of the next step; shown as the float32 that it is, 0.01, not 0.009999999776482582."""
        rate = training.optimizer.learning_rate
        # To read a variable costs a small epoch 5 %.
        if training.reduce_lr_on_plateau is not None or not isinstance(rate, float):
            rate = keras.ops.convert_to_numpy(self.optimizer.learning_rate)
        return float(str(np.float32(rate)))

    @property
    def bytes(self) -> int:
        """What it keeps in memory, but for graphs and what is mapped from files."""
        parts = [self.data.train, self.data.validation, self.data.test]
        kept = [part for part in parts if part is not None]
        several = [(part.x, part.y, part.weights) for part in kept]
        arrays = [array for arrays in several for array in arrays if array is not None]
        variables = self._parts(self.model, self.optimizer)
        total: int = sum(math.prod(v.shape) * np.dtype(v.dtype).itemsize for v in variables)
        return total + sum(array.nbytes for array in arrays if not isinstance(array, np.memmap))

    @staticmethod
    def _parts(model: Any, optimizer: Any) -> list[Any]:
        return [*model.variables, *optimizer.variables]


def assemble(experiment: Experiment, facts: Facts, data: Prepared) -> Program:
    """Build and trace."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(experiment.training.seed)
    training = experiment.training
    built, optimizer = _drawn(experiment, facts)
    model = built.keras

    layout = label_layout(experiment, facts, model.output_shape[1:])

    def on_device(part: Part) -> Examples:
        return Examples.of(part.x, lay_out(part.y, layout, facts.classes), part.weights)

    train, test = on_device(data.train), on_device(data.test)
    validation = test if data.validation is data.test else None
    if data.validation is not None and validation is None:
        validation = on_device(data.validation)
    measures = Measures(
        _tally(experiment, facts, layout, model.output_shape[-1], data.targets),
        _chosen(experiment, facts, train, model.output_shape[1:], data.targets),
    )
    batch_size = min(training.batch_size, len(train))
    loss = construct_loss(training.loss)
    jit = compiles(experiment, facts, len(train))
    largest = max(math.prod(layer.output_shape) for layer in trace(experiment.model, facts.shape))
    passes = Passes(model, optimizer, loss, measures, data.inputs, batch_size, jit, largest)
    passes.trace(train)
    probe = probe_of(experiment, facts, data, layout, built, optimizer, loss)
    threshold = loss_of(training.loss).threshold if facts.classes is not None else None
    lens = Lens(built, stations(built.graph), probe, threshold) if probe else None
    judged = unordered(data, facts) if probe else None
    return Program(
        model, optimizer, measures, passes, judged, probe, lens, data, train, validation, test
    )


def _drawn(experiment: Experiment, facts: Facts) -> tuple[BuiltModel, Any]:
    """A model and its optimizer at their start.

    Keras draws all seeds from Python's generator. Its own `set_random_seed` also makes TensorFlow
    forget all kernels: to optimize kept graphs again takes 0.15 s.
    """
    random.seed(experiment.training.seed)
    whole = looked_up(experiment)
    built = build(experiment.model, facts.shape, whole=whole)
    optimizer = construct_optimizer(experiment.training.optimizer, experiment.model)
    if experiment.model.dtype_policy == "mixed_float16":  # as `model.compile` does
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(built.keras.trainable_variables)
    return built, optimizer


def _tally(
    experiment: Experiment, facts: Facts, layout: Layout, units: int, targets: Affine
) -> Tally:
    threshold = loss_of(experiment.training.loss).threshold
    if facts.classes is not None:
        return ClassificationTally(threshold, layout, facts.classes, units, places=facts.per_place)
    if facts.task == "multi_label":
        return MultiLabelTally(threshold)
    return RegressionTally(facts.targets, targets.scale, places=facts.label_shape != ())


def _chosen(
    experiment: Experiment, facts: Facts, train: Examples, given: Shape, targets: Affine
) -> KerasMetrics:
    asked = asked_for(experiment.training.metrics, facts.task)
    metrics = {name: construct_metric(kind) for name, kind in asked.items()}
    scaled = experiment.dataset.target_scaling != "none"
    first = tf.zeros_like(train.y[:1]), tf.zeros([1, *given])
    return KerasMetrics(metrics, *first, targets if scaled else None)
