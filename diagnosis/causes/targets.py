"""Targets of a regression whose scale the model cannot reach, or that blows up the loss."""

from diagnosis import changes
from diagnosis.case import Case
from diagnosis.report import Cause
from diagnosis.words import number

CODE = "target_scale"

# E[y^2] that is far from the 1 that an untrained model's output has.
_LARGE, _SMALL = 25.0, 1e-3


def cause(case: Case) -> Cause | None:
    data = case.signals.data
    square = data.target_mean_square if data is not None else None
    scaled = case.spec["dataset"].get("target_scaling") == "standard"
    if square is None or not case.regression or scaled:
        return None
    if not (square >= _LARGE or square < _SMALL):
        return None
    large = square >= _LARGE
    return Cause(
        code=CODE,
        title=f"The targets are too {'large' if large else 'small'} for the model to reach",
        score=0.94 if square >= 100 else 0.88,
        evidence=[
            f"The targets' mean square is {number(square)}; untrained, a model gives about 1.",
            *_harm(case),
        ],
        numbers={"target_mean_square": square, "jump": case.probe.jump},
        repairs=[changes.target_scaling()],
        rivals=[changes.learning_rate(case.procedure.rate / 10)],
    )


def _harm(case: Case) -> list[str]:
    if case.broken:
        return ["The loss grew until it was no number."]
    end = case.probe.end
    return [f"At the end the outputs' root mean square is {number(end.output_rms)}."] if end else []
