"""Output, loss and labels do not fit each other."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from diagnosis import changes, splicing
from diagnosis.causes import scale_checks
from diagnosis.causes.output_rules import misfits
from diagnosis.causes.slow_progress import is_short, longer
from diagnosis.report import Cause, Change, Finding
from diagnosis.run.case import Case
from diagnosis.run.network import is_activation
from diagnosis.run.setup import Setup
from diagnosis.words import listed

CODE = "head"
TITLE = "The output, the loss and the labels do not fit each other"

_SQUASHING = ("Clip", "Dropout", "GaussianNoise")
_SCORES = {"error": 0.97, "warning": 0.84}


def cause(case: Case) -> Cause | None:
    """A misfit, of a run that failed: whether it failed is not this function's to say."""
    data = case.signals.data
    targets = (data.target_min, data.target_max) if data is not None else (None, None)
    found = sorted(misfits(case, *targets), key=lambda misfit: misfit.level)
    if not found:
        return None
    return Cause(
        code=CODE,
        title=TITLE,
        score=_SCORES[found[0].level],
        evidence=[misfit.detail for misfit in found],
        numbers={},
        repairs=_with_company(case, repairs(case)),
        rivals=[changes.scaling("standard"), changes.learning_rate(case.procedure.rate / 10)],
    )


def findings(setup: Setup) -> Iterator[Finding]:
    """Each misfit of output, loss and labels that the spec shows."""
    pointers = {"output": setup.network.output.pointer, "loss": "/training/loss"}
    for misfit in misfits(setup):
        yield Finding(CODE, misfit.level, pointers[misfit.at], misfit.detail, repairs(setup))


def repairs(setup: Setup) -> Sequence[Change]:
    """The usual head and loss of the task."""
    units, activation, loss = _usual(setup)
    patch = [*_head_patch(setup, units, activation), *_loss_patch(setup, loss)]
    done = listed([f"{units} output(s) with {activation}", loss])
    return [Change("head", done, patch)] if patch else []


def _with_company(case: Case, found: Sequence[Change]) -> Sequence[Change]:
    """The same alone, and with what else keeps a fitting head from getting there in time."""
    company = [] if scale_checks.odd_targets(case) is None else [changes.target_scaling()]
    if is_short(case):
        company.append(longer(case))
    return [*found, *(changes.both(head, other) for head in found for other in company)]


def _usual(setup: Setup) -> tuple[int, str, str]:
    if setup.task == "regression":
        return setup.classes, "linear", "mean_squared_error"
    if setup.task == "multi_label":
        return setup.classes, "sigmoid", "binary_crossentropy"
    if setup.classes == 2 and setup.network.outputs == 1:
        return 1, "sigmoid", "binary_crossentropy"
    return setup.classes, "softmax", "categorical_crossentropy"


def _loss_patch(setup: Setup, loss: str) -> Sequence[Mapping[str, Any]]:
    kept = setup.procedure.loss
    if setup.task == "regression" and kept in ("mean_absolute_error", "huber", "Huber", "log_cosh"):
        return []
    return [changes.put("/training/loss", loss)]


def _head_patch(setup: Setup, units: int, activation: str) -> Sequence[Mapping[str, Any]]:
    """Take what squashes the output away, and let the head or a last layer apply `activation`."""
    head = setup.network.head
    if head is None:
        return []
    squashing = [
        node
        for node in head.followers
        if node.layer["type"] in _SQUASHING or is_activation(node.layer)
    ]
    patch = splicing.take_out(setup.network, squashing)
    own = head.node.pointer
    if len(squashing) == len(head.followers):
        patch = [*patch, changes.put(f"{own}/activation", activation)]
    else:
        last = {"type": "Activation", "activation": activation}
        patch = [*patch, changes.put(f"{own}/activation", "linear")]
        patch = [*patch, *splicing.append(setup.network, last)]
    if head.layer["type"] == "Dense" and setup.network.outputs != units:
        patch = [*patch, changes.put(f"{own}/units", units)]
    return patch
