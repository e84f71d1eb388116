"""What an experiment costs: parameters, memory and FLOPs, known before it runs."""

from dataclasses import dataclass
from math import ceil, prod

from contract.experiment.datasets import Dataset, Facts, split_at
from contract.experiment.layers.layer import Shape
from contract.experiment.measured import asked_for
from contract.experiment.spec import Experiment
from contract.sizing.trace import LayerFacts, trace

_FLOAT_BYTES, _HALF_BYTES = 4, 2
# Backward, each layer finds the gradient of its input and of its weights: two more products.
_PASSES = 3


@dataclass(frozen=True)
class Memory:
    """An estimate in bytes, beside the few hundred megabytes that TensorFlow itself takes.

    weights: 4 bytes for each parameter, its gradient and each of the optimizer's slots, and 2 for
    its rounded copy in mixed precision;
    activations: 4 bytes (2 in mixed precision) x 2 (value and gradient) x activations of an
    example x batch size, and 4 bytes for each number that a metric asked for holds meanwhile;
    dataset: the inputs twice in their stored type, as read and as tensors, and 4 bytes for each
    label, times the model's outputs.
    """

    weights: int
    activations: int
    dataset: int

    @property
    def total(self) -> int:
        """All of it, in bytes."""
        return self.weights + self.activations + self.dataset


@dataclass(frozen=True)
class Cost:
    """`flops_per_example` is the forward pass; `flops_total` the whole training, validation out.

    flops_total = 3 x flops_per_example x training examples x epochs.
    """

    layers: list[LayerFacts]
    output_shape: Shape
    parameters: int
    trainable_parameters: int
    memory: Memory
    memory_bytes: int
    flops_per_example: int
    flops_total: int
    steps_per_epoch: int


def cost(experiment: Experiment, facts: Facts) -> Cost:
    """Raises SpecRefused, with a pointer, where the model cannot be built."""
    training = experiment.training
    layers = trace(experiment.model, facts.shape)
    examples = training_examples(experiment, facts)
    forward = sum(layer.flops for layer in layers)
    memory = _memory(experiment, facts, layers)
    return Cost(
        layers=layers,
        output_shape=_output_shape(experiment, layers),
        parameters=sum(layer.parameters for layer in layers),
        trainable_parameters=sum(layer.trainable_parameters for layer in layers),
        memory=memory,
        memory_bytes=memory.total,
        flops_per_example=forward,
        flops_total=_PASSES * forward * examples * training.epochs,
        steps_per_epoch=ceil(examples / training.batch_size),
    )


def _output_shape(experiment: Experiment, layers: list[LayerFacts]) -> Shape:
    (output,) = experiment.model.graph.outputs
    return next(layer.output_shape for layer in layers if layer.index == output)


def training_examples(experiment: Experiment, facts: Facts) -> int:
    """How many examples an epoch visits: after `limit`, and without the validation split."""
    examples = experiment.dataset.train_examples(facts)
    validation = experiment.training.validation
    return split_at(examples, validation.fraction) if validation.on == "split" else examples


def largest_batch(experiment: Experiment, facts: Facts) -> int:
    """Examples in a full batch: as in Keras, never more than there are."""
    return min(experiment.training.batch_size, training_examples(experiment, facts))


def _memory(experiment: Experiment, facts: Facts, layers: list[LayerFacts]) -> Memory:
    parameters = sum(layer.parameters for layer in layers)
    trainable = sum(layer.trainable_parameters for layer in layers)
    kept = sum(layer.activations for layer in layers)
    slots = experiment.training.optimizer.slots
    outputs = _output_shape(experiment, layers)[-1:] or (1,)
    asked = asked_for(experiment.training.metrics, facts.task).values()
    held = sum(metric.held(*outputs) for metric in asked)
    mixed = experiment.model.dtype_policy != "float32"
    return Memory(
        weights=_FLOAT_BYTES * (parameters + (1 + slots) * trainable)
        + mixed * _HALF_BYTES * parameters,
        activations=(_HALF_BYTES if mixed else _FLOAT_BYTES)
        * (2 * kept * largest_batch(experiment, facts))
        + _FLOAT_BYTES * held * largest_batch(experiment, facts),
        dataset=_dataset_bytes(experiment.dataset, facts),
    )


def _dataset_bytes(dataset: Dataset, facts: Facts) -> int:
    read = dataset.samples or facts.train_examples + facts.test_examples
    used = dataset.train_examples(facts) + dataset.test_examples(facts)
    inputs = (read + used) * prod(facts.shape) * facts.bytes_per_value
    made = read if facts.source == "generated" else 0  # and then cut
    return inputs + (made + used) * _FLOAT_BYTES * prod(facts.output_shape)
