"""How labels are laid out for a model's output, and which outputs cannot be trained at all."""

from typing import Literal

from contract.errors import SpecRefused
from contract.experiment.datasets import Facts
from contract.experiment.losses import loss_of
from contract.experiment.spec import Experiment

Layout = Literal["sparse", "one_hot", "values"]


def label_layout(experiment: Experiment, facts: Facts, output_shape: tuple[int, ...]) -> Layout:
    """The layout in which `experiment`'s labels meet an output of `output_shape` (no batch axis).

    `sparse`: class numbers, shape (batch,); `one_hot`: (batch, classes); `values`: the label itself
    as numbers, (batch, targets). A single output takes class numbers as values whatever the loss
    (but for sparse cross-entropy), as in Keras: such a model is often wrong, but it can be trained,
    and explained.

    Raises SpecRefused, with a pointer to the last layer or to the loss, where no layout fits.
    """
    graph = experiment.model.graph
    last = graph[graph.outputs[0]].pointer
    if len(output_shape) != 1:
        raise SpecRefused(
            last,
            f"the model must end in one row of numbers per example, shape (n,); its output has "
            f"shape {output_shape}: add Flatten and a Dense layer",
        )
    units = output_shape[0]
    if loss_of(experiment.training.loss).takes_class_numbers:
        _check_sparse(experiment, facts)
        if units >= facts.outputs:
            return "sparse"
    elif units == 1 and facts.task == "classification":
        return "values"
    elif units == facts.outputs:
        return "one_hot" if facts.task == "classification" else "values"
    raise SpecRefused(
        last,
        f"{experiment.dataset.name} needs {facts.outputs} output unit(s) with this loss; the model "
        f"has {units}: change the last layer's units to {facts.outputs}",
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
