"""Targets of a regression whose scale the model cannot reach, or that blows up the loss."""

from diagnosis import changes
from diagnosis.causes import scale_checks
from diagnosis.report import Cause, Change
from diagnosis.run.case import Case
from diagnosis.words import number

CODE = "target_scale"


def cause(case: Case) -> Cause | None:
    """Blames targets of a regression that have a mean square far from 1 and are not scaled."""
    square = scale_checks.odd_targets(case)
    if square is None:
        return None
    large = square > 1
    return Cause(
        code=CODE,
        title=f"The targets are too {'large' if large else 'small'} for the model to reach",
        score=0.94 if square >= 100 else 0.88,
        evidence=[
            f"The targets' mean square is {number(square)}; untrained, a model gives about 1.",
            *_harm(case),
        ],
        numbers={"target_mean_square": square, "jump": case.readings.jump},
        repairs=_repairs(case),
        rivals=[changes.learning_rate(case.procedure.rate / 10)],
    )


def _repairs(case: Case) -> list[Change]:
    scaled = changes.target_scaling()
    if not (scale_checks.large(case) or scale_checks.uneven(case)):
        return [scaled]
    return [scaled, changes.both(scaled, changes.scaling("standard"))]


def _harm(case: Case) -> list[str]:
    if case.broken:
        return ["The loss grew until it was no number."]
    end = case.readings.end
    return [f"At the end the outputs' root mean square is {number(end.output_rms)}."] if end else []
