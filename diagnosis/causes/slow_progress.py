"""What holds a run's weights back."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from diagnosis import changes
from diagnosis.report import Change
from diagnosis.run.case import Case
from diagnosis.words import number

# Update-to-weight ratio of a usual step, and of one that moves nothing.
_USUAL_UPDATE, _SMALL_UPDATE = 1e-3, 1e-4
# The share of the usual learning rate below which it is out of the ordinary.
LOW = 0.2
# lr * lambda_max / 2 below which the loss surface would bear far larger steps, and larger ones.
_FLAT, _FLATTISH = 0.005, 0.05
# The share of the first rate that a schedule may leave at two thirds of a run.
_DECAYED = 0.02
# A clipping this far below the gradients sets the size of the steps.
_CLIPPED = 0.05
_FEW_STEPS, _ENOUGH_STEPS = 2000, 1000


@dataclass(frozen=True)
class Brake:
    """What held the weights back, with the numbers in a sentence; `score` as a cause's."""

    title: str
    score: float
    evidence: str
    repair: Change


def _low_rate(case: Case) -> Brake | None:
    procedure, sharp = case.procedure, case.readings.sharpness
    still = case.falling or unmoved(case)
    flat = math.inf if sharp is None else sharp
    score = 0.9 if procedure.excess <= LOW else 0.8 if flat < _FLAT else 0.65
    low = procedure.excess <= LOW or flat < _FLATTISH
    if procedure.scheduled or not low or not (still or case.smooth):
        return None
    surface = f", and {case.readings.measure} is {number(sharp)}" if sharp is not None else ""
    return Brake(
        "The learning rate is too low",
        score,
        f"A learning rate of {number(procedure.rate)} is {number(procedure.excess)} times what "
        f"{procedure.name} is usually run with{surface}.",
        changes.learning_rate(_better_rate(case), "higher_learning_rate"),
    )


def _better_rate(case: Case) -> float:
    """Half of what the loss surface bears, or the usual rate, and well above the present one."""
    procedure, stable = case.procedure, case.readings.stable_rate
    usual = procedure.usual_rate * (1 - procedure.momentum)
    aim = min(stable / 2, 100 * usual) if stable is not None else usual
    return max(10 * procedure.rate, aim) if stable is None else max(2 * procedure.rate, aim)


def _unmoved(case: Case) -> Brake | None:
    """Steps that were next to nothing from the first to the last, whatever made them so."""
    procedure, early = case.procedure, case.readings.early_updates
    if early is None or not 0 < early < _SMALL_UPDATE or not unmoved(case) or procedure.scheduled:
        return None
    return Brake(
        "The steps are too small to move the weights",
        0.82,
        f"No step that was watched changed a layer by more than {number(early)} of its size; "
        f"{number(_USUAL_UPDATE)} is usual.",
        changes.learning_rate(procedure.rate * _USUAL_UPDATE / early, "usual_steps"),
    )


def _decay(case: Case) -> Brake | None:
    procedure = case.procedure
    if not procedure.scheduled:
        return None
    first, late = procedure.rate, procedure.rate_at(2 * case.steps // 3)
    if not late <= _DECAYED * first:
        return None
    return Brake(
        "The learning rate decays before the run has learned",
        0.92,
        f"The schedule takes it from {number(first)} to {number(late)} by step "
        f"{2 * case.steps // 3:,} of {case.steps:,}.",
        changes.learning_rate(first, "constant_learning_rate"),
    )


def _clipping(case: Case) -> Brake | None:
    clipping, start = case.procedure.clipping, case.readings.start
    if clipping is None or case.procedure.name not in ("SGD", "Adagrad", "Ftrl"):
        return None
    name, limit = clipping
    norm = start.gradient_norm if start is not None else None
    if not (limit < _CLIPPED * norm if norm is not None else limit < 0.01):
        return None
    against = f" and the first gradient's norm is {number(norm)}" if norm is not None else ""
    return Brake(
        "Gradient clipping leaves the steps next to nothing",
        0.92,
        f"{name} is {number(limit)}{against}.",
        unclipped(name),
    )


def _stopped(case: Case) -> Brake | None:
    rule = case.procedure.early_stopping
    if case.reason != "early_stopping" or rule is None or case.epochs * 2 > case.procedure.epochs:
        return None
    patch = [changes.put("/training/early_stopping", None)]
    return Brake(
        "Early stopping ended the run before it had learned",
        0.88,
        f"It ended after {case.epochs} of {case.procedure.epochs} epochs, with a patience of "
        f"{rule.get('patience', 0)}.",
        Change("no_early_stopping", "no early stopping", patch),
    )


def _few_steps(case: Case) -> Brake | None:
    few = is_short(case)
    going = case.falling or case.epochs < 3 or case.weight_changes < _FEW_STEPS / 10
    if not case.smooth or not (going or few):
        return None
    still = "The loss still fell when the run ended" if case.falling else "The run ended"
    return Brake(
        "The run is too short",
        (0.8 if few else 0.7) if going else 0.5,
        f"{still}, after {case.steps:,} steps.",
        longer(case),
    )


BRAKES: Sequence[Callable[[Case], Brake | None]] = (
    _decay,
    _clipping,
    _stopped,
    _low_rate,
    _unmoved,
    _few_steps,
)


def unmoved(case: Case) -> bool:
    """Whether the last updates were small against the weights; False where none was measured."""
    updates = case.readings.updates
    return updates is not None and updates < _SMALL_UPDATE


def is_short(case: Case) -> bool:
    """Whether the weights were changed few times in all."""
    return case.weight_changes < _FEW_STEPS


def unclipped(name: str) -> Change:
    """Without the gradient clipping of this name."""
    patch = [changes.put(f"/training/optimizer/{name}", None)]
    return Change("no_clipping", "no gradient clipping", patch)


def longer(case: Case) -> Change:
    """Four times the epochs, or more where that would still be few steps."""
    factor = min(max(4, _ENOUGH_STEPS // case.weight_changes), 20)
    return changes.epochs(factor * case.procedure.epochs)
