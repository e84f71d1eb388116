"""Units that died although the first steps were not too large."""

from collections.abc import Sequence

from diagnosis import changes
from diagnosis.causes import scale_checks
from diagnosis.report import Cause, Change
from diagnosis.run.case import Case
from diagnosis.run.network import Block
from diagnosis.run.readings import DEAD
from diagnosis.words import number, percent, sentence

CODE = "dead_units"


def cause(case: Case) -> Cause | None:
    """Blames rectified units that had died at the end. The score is high where they were dead
    before any step, or where the first steps were not too large."""
    readings = case.readings
    dead, sharp = readings.dead(readings.end), readings.sharpness
    if dead is None or dead < DEAD or not case.rectified:
        return None
    onset = readings.onset(readings.dead, DEAD)
    # Before any step, columns that drown all others decide for all rows alike.
    given = onset == 0 and not (scale_checks.large(case) or scale_checks.uneven(case))
    tame = given or (sharp is not None and sharp < 1 and onset != 0)
    evidence = [sentence(died(case) or f"{percent(dead)} of a layer's hidden units had died")]
    if sharp is not None and sharp < 1:
        evidence.append(
            f"The first steps were not too large: {readings.measure} was {number(sharp)}."
        )
    return Cause(
        code=CODE,
        title="The hidden units have died",
        score=0.95 if given else 0.88 if tame else 0.6,
        evidence=evidence,
        numbers={
            "dead": dead,
            "sharpness": sharp,
            "onset": None if onset is None else float(onset),
        },
        repairs=[
            changes.activation(case.rectified, "leaky_relu"),
            _fresh(case.rectified),
        ],
        rivals=[changes.scaling("standard")],
    )


def died(case: Case) -> str | None:
    """How many of the worst layer's units had died, and when; None where few have."""
    readings = case.readings
    onset = readings.onset(readings.dead, DEAD)
    if onset is None:
        return None
    then = next(moment for moment in case.signals.moments if moment.step == onset)
    when = f"by step {onset}" if onset else "before any step"
    return f"{percent(readings.dead(then))} of a layer's hidden units had died {when}"


def _fresh(blocks: Sequence[Block]) -> Change:
    """He's weights and biases of 0."""
    biases = [changes.put(f"{b.node.pointer}/bias_initializer", "zeros") for b in blocks]
    patch = [*changes.initializer(blocks, "he_normal").patch, *biases]
    return Change("fresh_weights", "He's initial weights, and biases of 0", patch)
