"""How labels are laid out for a model's output, and which outputs cannot be trained at all."""

from math import prod
from typing import Literal

from contract.errors import SpecRefused
from contract.experiment.datasets import Facts
from contract.experiment.losses import loss_of
from contract.experiment.spec import Experiment

Layout = Literal["sparse", "one_hot", "values"]


def label_layout(experiment: Experiment, facts: Facts, output_shape: tuple[int, ...]) -> Layout:
    """The layout in which `experiment`'s labels meet an output of `output_shape` (no batch axis).

    `sparse`: class numbers, shape (batch, *places); `one_hot`: (batch, *places, classes); `values`:
    the label itself as numbers, (batch, *output_shape). Places are those of `Facts.label_shape`,
    such as the steps of a sequence; mostly there are none. A single output takes class numbers as
    values whatever the loss (but for sparse cross-entropy), as in Keras: such a model is often
    wrong, but it can be trained, and explained.

    Raises SpecRefused, with a pointer to the last layer or to the loss, where no layout fits.
    """
    graph = experiment.model.graph
    last = graph[graph.outputs[0]].pointer
    if experiment.dataset.target == "inputs":
        if loss_of(experiment.training.loss).takes_class_numbers:
            _check_sparse(experiment, facts)
        if prod(output_shape) != facts.targets:
            raise SpecRefused(last, _not_given_back(facts, output_shape))
        return "values"
    *places, wanted = facts.output_shape
    if output_shape[:-1] != tuple(places):
        raise SpecRefused(last, _misplaced(experiment, facts, output_shape))
    units = output_shape[-1]
    if loss_of(experiment.training.loss).takes_class_numbers:
        _check_sparse(experiment, facts)
        if units >= wanted:
            return "sparse"
    elif units == 1 and facts.task == "classification":
        return "values"
    elif units == wanted:
        return "one_hot" if facts.task == "classification" else "values"
    raise SpecRefused(
        last,
        f"{experiment.dataset.name} needs {wanted} output unit(s) with this loss; the model "
        f"has {units}: change the last layer's units to {wanted}",
    )


def _not_given_back(facts: Facts, output_shape: tuple[int, ...]) -> str:
    return (
        f"with dataset.target inputs the model gives back the {facts.targets:,} numbers of an "
        f"example, of shape {facts.shape}, in this or another shape; its output has shape "
        f"{output_shape}: change the last layer"
    )


def _misplaced(experiment: Experiment, facts: Facts, output_shape: tuple[int, ...]) -> str:
    if not facts.label_shape:
        return (
            f"the model must end in one row of numbers per example, shape (n,); its output has "
            f"shape {output_shape}: add Flatten and a Dense layer"
        )
    label = "a class at each place" if facts.per_place else "a number at each place"
    shown = f"{facts.label_shape}: the model's output must have shape {facts.output_shape}"
    return (
        f"{experiment.dataset.name} has {label} of {shown}, and has {output_shape}: let recurrent "
        f"layers return_sequences, or add a Reshape"
    )


def _check_sparse(experiment: Experiment, facts: Facts) -> None:
    if facts.task == "classification":
        return
    better = "mean_squared_error" if facts.task == "regression" else "binary_crossentropy"
    given = experiment.training.loss
    loss = given if isinstance(given, str) else given.type
    raise SpecRefused(
        "/training/loss",
        f"{loss} needs class numbers as labels; {experiment.dataset.name} is {facts.task}: use "
        f"{better}",
    )
