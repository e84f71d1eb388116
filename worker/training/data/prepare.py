"""From a dataset as stored to what one run trains on, validates on and tests on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contract.experiment.datasets import Facts, Scaling, aimed, split_at
from contract.experiment.spec import Experiment, Validation
from contract.experiment.whole_numbers import takes_whole_numbers
from contract.sizing.class_weights import class_weights
from contract.sizing.label_layout import Layout
from contract.sizing.trace import trace
from worker.training.data.load import Arrays

Array = np.ndarray[Any, Any]
# Which examples are kept or held out is the data's affair: it is the same for every training seed.
SELECTION_SEED = 0
_BLOCK_EXAMPLES = 4096


@dataclass(frozen=True)
class Affine:
    """(x - offset) / scale, in float32; both broadcast over one example."""

    offset: Array
    scale: Array

    def __call__(self, values: Array) -> Array:
        return (values.astype(np.float32) - self.offset) / self.scale


def affine(offset: float | Array, scale: float | Array) -> Affine:
    """From numbers, or from arrays that broadcast over one example."""
    return Affine(np.asarray(offset, np.float32), np.asarray(scale, np.float32))


IDENTITY = affine(0, 1)


@dataclass(frozen=True)
class Part:
    """Inputs as stored (uint8, int32 or float32), not yet scaled; labels int32, targets scaled
    float32.

    `weights`, float32 (n,), are those of the examples in the loss; None where all count alike.
    """

    x: Array
    y: Array
    weights: Array | None = None


@dataclass(frozen=True)
class Prepared:
    """`inputs` is applied to each batch on its way into the model, `targets` already was.

    `whole`: the inputs go into the model as whole numbers, and not as floats. `copied`: the targets
    are the scaled inputs.
    """

    train: Part
    validation: Part | None
    test: Part
    inputs: Affine
    targets: Affine
    whole: bool = False
    copied: bool = False

    def save_scaling(self, folder: Path) -> Path:
        """An npz of input_offset, input_scale, target_offset and target_scale (see Affine)."""
        file = folder / "scaling.npz"
        both = {"input": self.inputs, "target": self.targets}
        arrays = {
            f"{name}_{of}": a for name, affine in both.items() for of, a in vars(affine).items()
        }
        np.savez(file, allow_pickle=False, **arrays)
        return file


def prepare(experiment: Experiment, facts: Facts, arrays: Arrays) -> Prepared:
    """Select, split and fit the scalings; `facts` are the dataset's, with its own labels."""
    dataset, validation = experiment.dataset, experiment.training.validation
    facts, copied = aimed(dataset, facts), dataset.target == "inputs"
    kept, held_out = select(len(arrays.x_train), dataset.limit, validation)
    x_train, y_train = arrays.x_train[kept], arrays.y_train[kept]
    inputs = input_scaling(dataset.scaling, x_train, facts.value_range)
    targets = IDENTITY
    if dataset.target_scaling == "standard":
        # What has several axes is one quantity at many places.
        targets = standard(y_train.reshape(-1) if facts.label_shape else y_train)

    def part(x: Array, y: Array, weights: Array | None = None) -> Part:
        if copied:
            return Part(x, inputs(x).reshape(len(x), *_given_back(experiment, facts)), weights)
        return Part(x, targets(y) if facts.task == "regression" else y, weights)

    test = part(arrays.x_test, arrays.y_test)
    split = part(arrays.x_train[held_out], arrays.y_train[held_out])
    validated = {"test": test, "split": split, "none": None}[validation.on]
    weights = None if arrays.w_train is None else arrays.w_train[kept]
    if weights is None or experiment.training.sample_weight == "off":
        weights = of_classes(experiment, facts, y_train)
    train = part(x_train, y_train, weights)
    return Prepared(train, validated, test, inputs, targets, looked_up(experiment), copied)


def _given_back(experiment: Experiment, facts: Facts) -> tuple[int, ...]:
    """The shape that the model gives an example."""
    shapes = {layer.index: layer.output_shape for layer in trace(experiment.model, facts.shape)}
    return shapes[experiment.model.graph.outputs[0]]


def looked_up(experiment: Experiment) -> bool:
    """Whether the inputs go into the model as whole numbers, and not as floats."""
    return experiment.dataset.scaling == "none" and takes_whole_numbers(experiment.model.graph)


def select(
    examples: int, limit: int | None, validation: Validation
) -> tuple[Array | slice, Array | slice]:
    """Which training examples are trained on, and which a split holds out for validation.

    The stored order is kept where neither a limit nor a split asks for a shuffle.
    """
    if limit is None and validation.on != "split":
        return slice(None), slice(0)
    order = np.random.Generator(np.random.Philox(SELECTION_SEED)).permutation(examples)[:limit]
    split = validation.on == "split"
    train = split_at(len(order), validation.fraction) if split else len(order)
    return order[:train], order[train:]


def of_classes(experiment: Experiment, facts: Facts, labels: Array) -> Array | None:
    """The weights of training examples with these `labels`, where classes are weighted."""
    told = experiment.training.class_weight
    if told is None or facts.classes is None:
        return None
    of_class = np.ones(facts.classes)
    if told == "balanced":
        counts = np.bincount(labels, minlength=facts.classes)
        of_class = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    for number, weight in class_weights(experiment, facts).items():
        of_class[number] = weight
    return of_class.astype(np.float32)[labels]


def input_scaling(scaling: Scaling, x: Array, value_range: tuple[float, float]) -> Affine:
    """`unit` maps the documented range to [0, 1], `symmetric` to [-1, 1]; `standard` is fitted."""
    if scaling == "none":
        return IDENTITY
    if scaling == "standard":
        return standard(x)
    low, high = value_range
    if scaling == "unit":
        return affine(low, high - low)
    return affine((low + high) / 2, (high - low) / 2)


def standard(values: Array) -> Affine:
    """Mean 0 and standard deviation 1 per feature; a constant feature becomes 0.

    The sums are float64 over blocks: 60,000 pictures as float64 would take 376 MB.
    """
    blocks = [values[i : i + _BLOCK_EXAMPLES] for i in range(0, len(values), _BLOCK_EXAMPLES)]
    mean = sum(block.sum(axis=0, dtype=np.float64) for block in blocks) / len(values)
    squares = sum(np.square(block - mean).sum(axis=0) for block in blocks)
    deviation = np.sqrt(squares / len(values))
    constant = values.min(axis=0) == values.max(axis=0)
    return affine(mean, np.where(constant, 1.0, deviation))


def lay_out(labels: Array, layout: Layout, classes: int | None) -> Array:
    """Labels as the loss takes them: see `contract.sizing.label_layout.label_layout`."""
    if layout == "sparse":
        return labels.astype(np.int64)  # TensorFlow keeps int32 out of a GPU's memory
    if layout == "values" or classes is None:
        row = classes is None and labels.ndim > 1
        return labels.astype(np.float32)[(..., *[np.newaxis] * (not row))]
    return np.eye(classes, dtype=np.float32)[labels]


def class_counts(labels: Array, facts: Facts) -> list[int]:
    """How many examples, or places, have each class, or each label; none for regression."""
    if facts.task == "regression":
        return []
    if facts.classes is None:
        return [int(count) for count in labels.sum(axis=0)]
    return [int(count) for count in np.bincount(labels.ravel(), minlength=facts.classes)]
