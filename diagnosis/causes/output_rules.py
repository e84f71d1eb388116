"""What does not fit between a model's output, its loss and the labels: rules on the spec."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from diagnosis.run.network import is_activation
from diagnosis.run.setup import Setup

# What an output can be, by its activation.
RANGES = {
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "relu": (0.0, float("inf")),
    "relu6": (0.0, 6.0),
    "softplus": (0.0, float("inf")),
    "exponential": (0.0, float("inf")),
}
# A probability that a Clip behind the output must leave possible.
_PROBABLE = (0.1, 0.9)
# Losses that take the output's logarithm, and activations after which there is one.
_LOGARITHMS = ("poisson", "mean_squared_logarithmic_error")
# Losses that divide by the labels.
_QUOTIENTS = ("mean_absolute_percentage_error",)
_PROBABILITIES = ("sigmoid", "hard_sigmoid", "softmax")
_POSITIVE = ("sigmoid", "hard_sigmoid", "softmax", "relu", "relu6", "softplus", "exponential")
_NOISY = ("Dropout", "GaussianNoise", "BatchNormalization", "LayerNormalization")

Level = Literal["warning", "error"]


@dataclass(frozen=True)
class Misfit:
    """`at` is the field at fault, "output" or "loss"; `detail` says what is wrong in a sentence."""

    level: Level
    at: Literal["output", "loss"]
    detail: str


def misfits(setup: Setup, low: float | None = None, high: float | None = None) -> Sequence[Misfit]:
    """What does not fit; `low` and `high` are the targets' of a regression, where known."""
    if setup.network.head is None:
        return []
    if setup.task == "regression":
        if low is None:
            low, high = _targets(setup)
        found = [*_regression_loss(setup, low, high), *_regression_output(setup, low, high)]
    elif setup.task == "multi_label":
        found = [*_multi_label(setup)]
    else:
        found = [*_classification(setup)]
    return [*found, *_tail(setup)]


def _targets(setup: Setup) -> tuple[float | None, float | None]:
    if setup.spec["dataset"].get("target_scaling") == "standard":
        return -1.0, 1.0  # a standard deviation on each side, at least
    low, high = setup.facts.get("target_range") or (None, None)
    return low, high


def _classification(setup: Setup) -> Iterator[Misfit]:
    single = setup.network.outputs == 1
    kind = setup.procedure.loss_kind
    activation = setup.network.output_activation
    if single and setup.classes > 2:
        yield Misfit("error", "output", f"One output cannot tell {setup.classes} classes apart.")
    elif single and activation == "softmax":
        yield Misfit("error", "output", "Softmax over a single output is always 1.")
    elif single and kind == "classes":
        yield Misfit(
            "error", "loss", f"{setup.procedure.loss} over a single output has no gradient: it is "
            f"made a share of itself, which is always 1."
        )  # fmt: skip
    elif kind == "classes":
        yield from _class_output(setup, activation)
    elif kind == "binary":
        yield from _binary_output(setup, activation)
    elif kind == "scores":
        yield from _scores(setup, activation)
    elif kind == "overlaps":
        yield from _overlaps(setup, activation)
    else:
        yield from _measured(setup, activation)


def _class_output(setup: Setup, activation: str) -> Iterator[Misfit]:
    """Cross-entropy over classes wants probabilities that sum to 1, or logits."""
    loss = setup.procedure.loss
    if activation == "softmax":
        return
    if setup.procedure.from_logits:
        if activation in RANGES:
            yield Misfit("warning", "output", f"Logits that pass {activation} are bounded.")
    elif activation == "sigmoid":
        yield Misfit(
            "warning", "output", f"{loss} takes probabilities that sum to 1; sigmoid gives each "
            f"class one of its own."
        )  # fmt: skip
    else:
        yield Misfit(
            "error", "output", f"{loss} takes probabilities that sum to 1; an output that ends in "
            f"{activation} gives none."
        )  # fmt: skip


def _binary_output(setup: Setup, activation: str) -> Iterator[Misfit]:
    if activation == "sigmoid" or (activation == "linear" and setup.procedure.from_logits):
        return
    if activation == "softmax":
        if setup.classes > 2:
            loss = setup.procedure.loss
            detail = f"{loss} judges each class alone; softmax makes them compete."
            yield Misfit("warning", "loss", detail)
    elif setup.procedure.from_logits:
        yield Misfit("warning", "output", f"Logits that pass {activation} are bounded.")
    else:
        yield Misfit(
            "error", "output", f"{setup.procedure.loss} takes probabilities, and the output ends "
            f"in {activation}: what it gives beyond 0 and 1 has no gradient."
        )  # fmt: skip


def _measured(setup: Setup, activation: str) -> Iterator[Misfit]:
    """A loss that measures distances, on labels of classes."""
    loss = setup.procedure.loss
    if loss == "cosine_similarity":
        yield from _angles(setup)
        return
    if loss in _QUOTIENTS:
        yield Misfit("error", "loss", f"{loss} divides by the labels, and of those many are 0.")
        return
    detail = f"{loss} measures distances, and the labels are classes"
    if activation in ("softmax", "sigmoid", "tanh", "hard_sigmoid"):
        detail += f": behind {activation} its gradient vanishes where the model is surely wrong"
    elif activation in ("relu", "relu6"):
        detail += f": an output that {activation} holds at 0 learns no more"
    yield Misfit("warning", "loss", f"{detail}.")


def _scores(setup: Setup, activation: str) -> Iterator[Misfit]:
    """A hinge wants numbers on either side of 0, and answers are parted there."""
    if activation in RANGES and RANGES[activation][0] >= 0:
        parted = setup.network.outputs == 1 or setup.task == "multi_label"
        yield Misfit(
            "error" if parted else "warning", "output", f"{setup.procedure.loss} takes scores "
            f"above and below 0; an output that ends in {activation} is never below."
        )  # fmt: skip


def _overlaps(setup: Setup, activation: str) -> Iterator[Misfit]:
    if activation not in _PROBABILITIES:
        yield Misfit(
            "error", "output", f"{setup.procedure.loss} takes probabilities, and the output ends "
            f"in {activation}."
        )  # fmt: skip


def _angles(setup: Setup) -> Iterator[Misfit]:
    if setup.network.outputs == 1:
        detail = "cosine_similarity sees of a single output its sign alone: it has no gradient."
        yield Misfit("error", "loss", detail)


def _multi_label(setup: Setup) -> Iterator[Misfit]:
    activation, procedure = setup.network.output_activation, setup.procedure
    if activation == "softmax":
        detail = "Softmax lets one label win, and an example may have several or none."
        yield Misfit("error", "output", detail)
    if procedure.loss_kind == "classes" or procedure.loss == "categorical_hinge":
        yield Misfit("error", "loss", f"{procedure.loss} takes one class for each example.")
    elif procedure.loss_kind == "binary":
        if activation != "softmax":
            yield from _binary_output(setup, activation)
    elif procedure.loss_kind == "scores":
        if activation != "softmax":
            yield from _scores(setup, activation)
    elif procedure.loss_kind == "overlaps":
        yield from _overlaps(setup, activation)
    else:
        yield from _measured(setup, activation)


def _regression_loss(setup: Setup, low: float | None, high: float | None) -> Iterator[Misfit]:
    loss, kind = setup.procedure.loss, setup.procedure.loss_kind
    inside = low is not None and high is not None and low >= 0 and high <= 1
    if kind in ("classes", "scores") or (kind in ("binary", "overlaps") and not inside):
        yield Misfit("error", "loss", f"{loss} is for classes, and the targets are quantities.")
    elif kind == "binary":
        yield from _binary_output(setup, setup.network.output_activation)
    elif kind == "overlaps":
        yield from _overlaps(setup, setup.network.output_activation)
    elif loss == "cosine_similarity":
        yield from _angles(setup)
    elif loss in _QUOTIENTS and low is not None and high is not None and low <= 0 <= high:
        yield Misfit("warning", "loss", f"{loss} divides by the targets, which come near 0.")
    elif loss in _LOGARITHMS and low is not None and low < 0:
        yield Misfit("error", "loss", f"{loss} takes no targets below 0, and there are some.")
    elif loss in _LOGARITHMS and setup.network.output_activation not in _POSITIVE:
        yield Misfit(
            "error" if loss == "poisson" else "warning", "output", f"{loss} takes the logarithm of "
            f"the output, and {setup.network.output_activation} may go below 0."
        )  # fmt: skip


def _regression_output(setup: Setup, low: float | None, high: float | None) -> Iterator[Misfit]:
    activation = setup.network.output_activation
    if activation not in RANGES:
        return
    least, most = RANGES[activation]
    if activation == "softmax" and setup.classes == 1:
        yield Misfit("error", "output", "Softmax over a single output is always 1.")
    elif low is None or high is None:
        if activation not in ("softplus", "exponential"):
            detail = f"The output ends in {activation}, which gives {_range(least, most)} only."
            yield Misfit("warning", "output", detail)
    elif low < least - 0.1 * (high - low) or high > most + 0.1 * (high - low):
        yield Misfit(
            "error", "output", f"The output ends in {activation}, which gives "
            f"{_range(least, most)}; the targets run from {low:.3g} to {high:.3g}."
        )  # fmt: skip


def _range(least: float, most: float) -> str:
    return f"numbers above {least:g}" if most == float("inf") else f"{least:g} to {most:g}"


def _tail(setup: Setup) -> Iterator[Misfit]:
    """What comes between the head's sums and the loss, besides the usual activation."""
    head = setup.network.head
    if head is None:
        return
    own = head.layer.get("activation", "linear")
    if own in RANGES and any(is_activation(node.layer) for node in head.followers):
        detail = f"{own} bounds what {setup.network.output_activation} is given."
        yield Misfit("warning", "output", detail)
    activated = (head.activated_at, *setup.network.graph.downstream(head.activated_at))
    for node in head.followers:
        layer = node.layer
        if layer.get("type") in _NOISY and node in activated[1:]:
            detail = f"{layer['type']} behind the output changes the answers themselves."
            yield Misfit("warning", "output", detail)
        if layer.get("type") == "Clip" and setup.task != "regression":
            low, high = float(layer["x_min"]), float(layer["x_max"])
            if low > _PROBABLE[0] or high < _PROBABLE[1]:
                detail = f"The output is clipped to {low:g} to {high:g}."
                yield Misfit("error", "output", detail)
