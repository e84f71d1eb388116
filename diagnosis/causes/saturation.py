"""Squashing units that are pressed against their limits, where no gradient passes."""

from diagnosis import changes
from diagnosis.report import Cause, Change
from diagnosis.run.case import Case
from diagnosis.run.readings import SATURATED
from diagnosis.words import number, percent

CODE = "saturation"


def cause(case: Case) -> Cause | None:
    """Blames hidden units that were pressed against the limits of their activation, at the start or
    at the end."""
    readings = case.readings
    at_start, at_end = readings.saturated(readings.start), readings.saturated(readings.end)
    worst = max((s for s in (at_start, at_end) if s is not None), default=0.0)
    if worst < SATURATED or not case.squashed:
        return None
    early = (at_start or 0.0) >= SATURATED
    when = "before any step" if early else "at the end"
    # With plain SGD, ReLU on such inputs would diverge: then it is the inputs that are to blame.
    rms = readings.input_rms
    scaled = rms is not None and rms > 2
    evidence = [f"{percent(worst)} of a hidden layer's outputs were saturated {when}."]
    if scaled:
        evidence.append(f"The inputs' root mean square is {number(rms)}.")
    return Cause(
        code=CODE,
        title="The hidden units are saturated",
        score=0.7 if not early else 0.91 if case.procedure.adaptive or not scaled else 0.85,
        evidence=evidence,
        numbers={"saturated_at_start": at_start, "saturated_at_end": at_end, "input_rms": rms},
        repairs=_repairs(case, scaled),
        rivals=[changes.learning_rate(10 * case.procedure.rate)],
    )


def _repairs(case: Case, scaled: bool) -> list[Change]:
    relu = changes.activation(case.squashed, "relu")
    patch = [*relu.patch, *changes.initializer(case.squashed, "he_normal").patch]
    either = [
        changes.scaling("standard"),
        Change("relu_he", "ReLU with He's initial weights", patch),
    ]
    return either if scaled or case.scaling == "none" else either[::-1]
