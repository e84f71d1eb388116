"""Batches so small that steps are noise, or so large that there are hardly any steps."""

from collections.abc import Iterator

from diagnosis import changes
from diagnosis.report import Cause, Change, Finding
from diagnosis.run.case import Case
from diagnosis.run.setup import Setup
from diagnosis.words import number, percent

CODE = "batch_size"

_TINY = 2
# A share of the training part, and the steps in all that such batches leave.
_SHARE, _FEW_STEPS = 0.12, 600
_USUAL = 32
# Times the usual learning rate: below, it is to blame for small steps; above, for large ones.
_LOW, _HIGH = 0.2, 5.0
# lr * lambda_max / 2 that whole batches bear.
_STABLE = 2.0


def cause(case: Case) -> Cause | None:
    """Blames batches of at most 2, and batches of 12 % of the training part or more that left at
    most 600 steps."""
    if _is_tiny(case):
        return _too_small(case)
    large = _large(case) and case.steps <= _FEW_STEPS and not case.broken
    return _too_large(case) if large and case.smooth and case.procedure.excess > _LOW else None


def findings(setup: Setup) -> Iterator[Finding]:
    """Batches of a single example, and batches that leave few steps."""
    size = setup.procedure.batch_size
    normalized = bool(setup.network.of_type("BatchNormalization"))
    pointer = "/training/batch_size"
    if size == 1 and normalized:
        detail = "Batch normalisation over batches of 1 leaves nothing of their differences."
        yield Finding(CODE, "error", pointer, detail, [changes.batch_size(_USUAL)])
    elif size == 1 and setup.procedure.steps_per_update == 1:
        detail = "Each step follows a single example."
        yield Finding(CODE, "warning", pointer, detail, [changes.batch_size(_USUAL)])
    elif _large(setup) and setup.planned_examples // size * setup.procedure.epochs < _FEW_STEPS:
        detail = f"Batches of {size:,} of {setup.planned_examples:,} examples leave few steps."
        yield Finding(CODE, "warning", pointer, detail, [_smaller(setup)])


def _is_tiny(setup: Setup) -> bool:
    """Batches whose gradients are added up are small only to what normalises over them."""
    procedure = setup.procedure
    alone = procedure.steps_per_update == 1 or setup.network.of_type("BatchNormalization")
    return procedure.batch_size * (1 if alone else procedure.steps_per_update) <= _TINY


def _large(setup: Setup) -> bool:
    size = setup.procedure.batch_size
    return size > 2 * _USUAL and size >= _SHARE * setup.planned_examples


def _too_small(case: Case) -> Cause | None:
    size = case.procedure.batch_size
    normalized = bool(case.network.of_type("BatchNormalization"))
    curvature = case.signals.curvature
    noise = curvature.gradient_noise if curvature is not None else None
    evidence = [f"Each step follows {size} example(s)."]
    if normalized:
        evidence.append("Batch normalisation over so few leaves nothing of their differences.")
    if noise is not None and noise > size:
        evidence.append(f"The gradient's noise equals the gradient at batches of {number(noise)}.")
    return Cause(
        code=CODE,
        title="The batches are too small",
        score=0.95 if normalized or _noise_to_blame(case) else 0.8,
        evidence=evidence,
        numbers={"batch_size": float(size), "gradient_noise": noise},
        repairs=[changes.batch_size(_USUAL), changes.batch_size(8 * size)],
        rivals=[changes.learning_rate(10 * case.procedure.rate)],
    )


def _noise_to_blame(case: Case) -> bool:
    """Whether the learning rate would do for larger batches."""
    sharp = case.readings.sharpness
    return case.procedure.excess < _HIGH if sharp is None else sharp < _STABLE


def _too_large(case: Case) -> Cause:
    size = case.procedure.batch_size
    share = min(1.0, size / case.planned_examples)
    smaller, longer = _smaller(case), changes.epochs(8 * case.procedure.epochs)
    return Cause(
        code=CODE,
        title="The batches are so large that there are hardly any steps",
        score=0.9,
        evidence=[
            f"A batch holds {percent(share)} of the training part; {case.steps:,} steps in all."
        ],
        numbers={"batch_size": float(size), "share": share, "steps": float(case.steps)},
        repairs=[smaller, longer, changes.both(smaller, longer)],
        rivals=[changes.learning_rate(case.procedure.rate / 10)],
    )


def _smaller(setup: Setup) -> Change:
    size = min(setup.procedure.batch_size, setup.planned_examples)
    return changes.batch_size(max(1, min(size // 8, _USUAL)))
