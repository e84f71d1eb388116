"""Numbers beyond what 16 bits hold."""

from diagnosis import changes
from diagnosis.report import Cause
from diagnosis.run.case import Case
from diagnosis.run.series import finite
from diagnosis.words import number

CODE = "float16_overflow"

_LARGEST = 65_504
# A loss that grew further, in float32 too, is a run that diverges.
_STEADY = 3.0


def cause(case: Case) -> Cause | None:
    """The loss was no number in float16, and is one in float32 for the very same weights.

    Signals are measured in float32; and the optimizer passes over a step whose gradients are no
    numbers, so the weights stay as they were.
    """
    start, end = case.readings.start, case.readings.end
    if case.spec["model"].get("dtype_policy") != "mixed_float16" or not case.broken:
        return None
    before, after = (finite(m.loss) if m is not None else None for m in (start, end))
    if before is None or after is None or after > _STEADY * before:
        return None
    peak = case.readings.input_peak
    given = f" Inputs reach {number(peak)}." if peak is not None and peak > _LARGEST else ""
    return Cause(
        code=CODE,
        title="Numbers are too large for float16",
        score=0.99,
        evidence=[
            f"In float32 the same weights have a loss of {number(after)}.",
            f"float16 ends at {_LARGEST:,}.{given}",
        ],
        numbers={"loss_in_float32": after, "input_peak": peak},
        repairs=[changes.dtype_policy("float32"), changes.dtype_policy("mixed_bfloat16")],
        rivals=[changes.learning_rate(case.procedure.rate / 10)],
    )
