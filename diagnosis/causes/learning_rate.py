"""A learning rate that is too high."""

from collections.abc import Iterator, Sequence

from diagnosis import changes
from diagnosis.causes import input_scale
from diagnosis.report import Cause, Change, Finding
from diagnosis.run.case import Case
from diagnosis.run.procedure import Procedure
from diagnosis.run.setup import Setup
from diagnosis.words import number

CODE = "learning_rate_high"
TITLE = "The learning rate is too high"

# lr * lambda_max / 2 that decides by itself; from 1 on it takes harm that was seen.
_DECISIVE, _STABLE = 10.0, 1.0
# Update-to-weight ratio of a step that is too large (1e-3 is usual).
_LARGE_UPDATE = 0.1
# Times the optimizer's usual rate: out of the ordinary, and beyond all use (plain SGD bears more).
_HIGH, _ABSURD, _ABSURD_SGD = 5.0, 30.0, 100.0
_JUMP = 3.0


def cause(case: Case) -> Cause | None:
    """Blames a rate that the loss surface does not bear (lr * lambda_max / 2), or that is far
    beyond the optimizer's usual one."""
    score = _score(case)
    if score is None:
        return None
    readings = case.readings
    return Cause(
        code=CODE,
        title=TITLE,
        score=score,
        evidence=[*_evidence(case)],
        numbers={
            "learning_rate": case.procedure.rate,
            "sharpness": readings.sharpness,
            "update_ratio": readings.early_updates,
            "jump": readings.jump,
        },
        repairs=_repairs(case),
        rivals=[changes.scaling("standard")],
    )


def findings(setup: Setup) -> Iterator[Finding]:
    """A rate of 30 times the optimizer's usual one, or of 100 times with plain SGD."""
    procedure = setup.procedure
    if not _absurd(procedure):
        return
    detail = (
        f"A learning rate of {number(procedure.rate)} is {number(procedure.excess)} times what "
        f"{procedure.name} is usually run with."
    )
    lower = changes.learning_rate(procedure.usual_rate * (1 - procedure.momentum))
    yield Finding(CODE, "warning", "/training/optimizer/learning_rate", detail, [lower])


def _score(case: Case) -> float | None:
    sharp, excess = case.readings.sharpness, case.procedure.excess
    absurd = _absurd(case.procedure)
    if case.signals.data is None:
        return 0.88 if absurd else 0.75 if excess >= _HIGH or case.broken else None
    if sharp is not None and sharp >= _DECISIVE:
        inputs_to_blame = not absurd and input_scale.to_blame(case, sharp)
        return 0.7 if inputs_to_blame else 0.93
    if sharp is not None:
        steep = sharp >= _STABLE or absurd
        return 0.9 if steep and _harmed(case) else 0.5 if case.broken else None
    if absurd:
        return 0.92
    return 0.9 if excess >= _HIGH and _harmed(case) else 0.5 if case.broken else None


def _absurd(procedure: Procedure) -> bool:
    return procedure.excess >= (_ABSURD if procedure.adaptive else _ABSURD_SGD)


def _harmed(case: Case) -> bool:
    readings = case.readings
    return (
        case.broken
        or (readings.jump or 0.0) > _JUMP
        or (readings.early_updates or 0.0) > _LARGE_UPDATE
        or not case.smooth
    )


def _evidence(case: Case) -> Iterator[str]:
    readings, procedure = case.readings, case.procedure
    if readings.sharpness is not None and readings.sharpness >= _STABLE:
        yield (
            f"The first update was {number(readings.sharpness)} times too large for this loss "
            f"surface ({readings.measure})."
        )
    if procedure.excess >= _HIGH:
        added = " with its momentum" if procedure.momentum else ""
        yield (
            f"A learning rate of {number(procedure.rate)}{added} is {number(procedure.excess)} "
            f"times what {procedure.name} is usually run with."
        )
    if (readings.early_updates or 0.0) > _LARGE_UPDATE:
        yield f"A step changed weights by {number(readings.early_updates)} of their size."
    if readings.signals.non_finite_step is not None:
        yield f"The loss was no number by step {readings.signals.non_finite_step}."
    elif (readings.jump or 0.0) > _JUMP:
        yield f"Within the first steps the loss rose to {number(readings.jump)} times what it was."
    if case.broken:
        yield "The loss grew until it was no number."


def _repairs(case: Case) -> Sequence[Change]:
    """What the loss surface bears, or is usual, and a tenth of the present one, or of the first."""
    procedure, stable = case.procedure, case.readings.stable_rate
    usual = procedure.usual_rate * (1 - procedure.momentum)
    tenth = procedure.rate / 10
    first = changes.learning_rate(
        min(usual, tenth) if stable is None else min(stable, procedure.rate / 2)
    )
    second = changes.learning_rate(tenth, "learning_rate_tenth")
    if second.patch == first.patch:
        second = changes.learning_rate(tenth / 10, "learning_rate_hundredth")
    return [first, second]
