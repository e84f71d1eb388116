"""The weights moved too little: a low learning rate, too few steps, or something that brakes."""

from collections.abc import Iterator, Sequence

from diagnosis import changes
from diagnosis.causes.slow_progress import BRAKES, LOW, longer, unclipped, unmoved
from diagnosis.report import Cause, Change, Finding
from diagnosis.run.case import Case
from diagnosis.run.setup import Setup
from diagnosis.words import number

CODE = "undertrained"


def cause(case: Case) -> Cause | None:
    """The surest of what may have held the weights back; None where a loss was no number."""
    if case.broken:
        return None
    found = [brake for look in BRAKES if (brake := look(case)) is not None]
    if not found:
        return None
    found.sort(key=lambda brake: -brake.score)
    return Cause(
        code=CODE,
        title=found[0].title,
        score=found[0].score,
        evidence=[*(brake.evidence for brake in found), *_course(case)],
        numbers={
            "learning_rate": case.procedure.rate,
            "sharpness": case.readings.sharpness,
            "update_ratio": case.readings.updates,
            "steps": float(case.steps),
        },
        repairs=_repairs(case, found[0].repair, [brake.repair for brake in found[1:]]),
        rivals=[changes.activation(case.network.hidden, "relu")] if case.squashed else [],
    )


def findings(setup: Setup) -> Iterator[Finding]:
    """A learning rate far below the usual one, and clipping that leaves next to nothing."""
    procedure = setup.procedure
    if 0 < procedure.excess <= LOW / 4:
        detail = (
            f"A learning rate of {number(procedure.rate)} is {number(1 / procedure.excess)} times "
            f"below what {procedure.name} is usually run with."
        )
        usual = changes.learning_rate(procedure.usual_rate)
        yield Finding(CODE, "warning", "/training/optimizer/learning_rate", detail, [usual])
    clipping = procedure.clipping
    if clipping is not None and clipping[1] < 0.01:
        detail = f"{clipping[0]} of {number(clipping[1])} leaves next to nothing of a gradient."
        yield Finding(
            CODE, "warning", f"/training/optimizer/{clipping[0]}", detail, [unclipped(clipping[0])]
        )


def _course(case: Case) -> Iterator[str]:
    if len(case.losses) > 1:
        first, last = number(case.losses[0]), number(case.losses[-1])
        yield f"The training loss went from {first} to {last}."
    if unmoved(case):
        most = number(case.readings.updates)
        yield f"The last step changed no layer by more than {most} of its size."


def _repairs(case: Case, first: Change, others: Sequence[Change]) -> Sequence[Change]:
    """The first, each other alone, and the first with more epochs: what is slow is slow twice."""
    more = longer(case)
    if first.code == more.code:
        return [first, *others]
    return [
        first,
        changes.both(first, more),
        *(other for other in others if other.code != more.code),
        more,
    ]
