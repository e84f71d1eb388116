"""Which metrics a run has, and which of those asked for would tell nothing of its model."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from contract.errors import SpecRefused
from contract.experiment.datasets import Facts
from contract.experiment.layers.layer import Shape
from contract.experiment.losses import loss_of
from contract.experiment.measured import ALWAYS, COLUMNS, PARTS, Metric, chosen, measured
from contract.experiment.metrics import KINDS, Form, Given, KerasMetric, named
from contract.experiment.pointers import join
from contract.experiment.spec import Experiment
from contract.sizing.cost import cost
from contract.sizing.label_layout import label_layout

# Numbers that a run has a column for, in the curves of each part.
MOST_NUMBERS = 100
_IN_WORDS: dict[Form, str] = {
    "one_hot": "one-hot classes",
    "sparse": "class numbers",
    "binary": "two classes in one output",
    "multi_label": "several labels of 0 and 1",
    "regression": "quantities",
}


def metrics_of(experiment: Experiment, facts: Facts, output_shape: Shape) -> list[Metric]:
    """All that is measured of a run whose model gives `output_shape` (no batch axis).

    Raises SpecRefused, with a pointer to the metric at fault, where one that was asked for does not
    fit the run, and for a name that is there twice.
    """
    found = {metric.name: metric for metric in measured(facts.task)}
    form, asked = form_of(experiment, facts, output_shape), set[str]()
    for number, given in enumerate(experiment.training.metrics):
        at = ("training", "metrics", number)
        name, kind = named(given)
        if name in asked:
            raise _twice(at, given, name)
        asked.add(name)
        if name in found and isinstance(given, str):
            continue  # measured anyway
        given_back = experiment.dataset.target == "inputs" and len(output_shape) == 1
        if facts.label_shape and not given_back:
            raise SpecRefused(
                join(at),
                f"{name} takes a row of numbers an example, and the labels of "
                f"{experiment.dataset.name} have shape {facts.label_shape}: leave it out",
            )
        if kind is None or form not in kind.fits:
            raise SpecRefused(join(at), _misfit(name, kind, form, experiment))
        for field, detail in _faults(kind, form, experiment, facts, output_shape):
            place = at if isinstance(given, str) or not field else (*at, field)
            raise SpecRefused(join(place), f"{name} would tell nothing here: {detail}")
        for metric in chosen(given, kind.numbers(output_shape[-1])):
            _check_name(metric.name, at, given)
            if metric.name in found:
                raise _twice(at, given, metric.name)
            found[metric.name] = metric
    if len(found) > MOST_NUMBERS:
        raise SpecRefused(
            "/training/metrics",
            f"a run may have {MOST_NUMBERS} metrics, and one that gives a list counts as so many; "
            f"these are {len(found):,}: leave some out, or give F1Score an average",
        )
    return list(found.values())


def fitting(experiment: Experiment, facts: Facts) -> Experiment:
    """Without the metrics that do not fit. Raises SpecRefused where the model cannot be built."""
    shape = cost(experiment, facts).output_shape
    kept: list[Given] = []
    for given in experiment.training.metrics:
        with suppress(SpecRefused):
            metrics_of(_asking(experiment, [*kept, given]), facts, shape)
            kept.append(given)
    return (
        experiment if len(kept) == len(experiment.training.metrics) else _asking(experiment, kept)
    )


def _asking(experiment: Experiment, metrics: Sequence[Given]) -> Experiment:
    training = experiment.training.model_copy(update={"metrics": tuple(metrics)})
    return experiment.model_copy(update={"training": training})


def form_of(experiment: Experiment, facts: Facts, output_shape: Shape) -> Form:
    """How the labels meet the outputs of the model. Raises SpecRefused where they cannot."""
    layout = label_layout(experiment, facts, output_shape)
    if layout != "values":
        return layout
    if facts.task == "classification":
        return "binary"
    return facts.task


def _faults(
    kind: KerasMetric, form: Form, experiment: Experiment, facts: Facts, output_shape: Shape
) -> Iterator[tuple[str, str]]:
    if form == "binary" and facts.classes != 2:
        yield "", f"one output cannot tell {facts.classes} classes apart: give the model as many"
    logits = getattr(loss_of(experiment.training.loss), "from_logits", False)
    if logits and kind.takes_probabilities:
        own = "set its from_logits too, or " if "from_logits" in type(kind).model_fields else ""
        detail = (
            "it takes the outputs for probabilities, and the loss says that they are logits: "
            f"{own}end the model with their activation, and leave from_logits out of the loss"
        )
        yield "", detail
    yield from kind.faults(form, output_shape[-1], facts.classes)


def _misfit(name: str, kind: KerasMetric | None, form: Form, experiment: Experiment) -> str:
    fitting = [each.__name__ for each in KINDS if form in each.fits]
    more = ""
    if form == "sparse" and kind is not None and "one_hot" in kind.fits:
        more = "; or take the loss categorical_crossentropy, which means the same"
    fits = ALWAYS[name].tasks if kind is None else [_IN_WORDS[each] for each in kind.fits]
    return (
        f"{name} is for {', '.join(fits)}; {experiment.dataset.name} with this model and loss "
        f"compares {_IN_WORDS[form]}: expected one of {', '.join(fitting)}{more}"
    )


def _check_name(name: str, at: tuple[str | int, ...], given: Given) -> None:
    if name in COLUMNS or name.startswith(PARTS):
        raise SpecRefused(
            join(at) if isinstance(given, str) else join((*at, "name")),
            f"{name} is what something else is called: {', '.join(COLUMNS)}, and what begins with "
            f"{', '.join(PARTS)} cannot be a metric's name",
        )


def _twice(at: tuple[str | int, ...], given: Given, name: str) -> SpecRefused:
    own = not isinstance(given, str) and given.name is not None
    return SpecRefused(
        join((*at, "name") if own else at),
        f"{name} is measured already: leave it out, or give it another name, such as "
        f'{{"type": ..., "name": "{name}_again"}}',
    )
