"""Whether inputs and targets have the size that initial weights and usual rates are made for."""

from diagnosis.run.case import Case

# Root mean square of ordinary inputs; the spread is the largest column's over the median one's.
LARGE, SMALL, UNEVEN = 5.0, 0.08, 10.0
# E[y^2] that is far from the 1 that an untrained model's output has.
_TARGET_LARGE, _TARGET_SMALL = 25.0, 1e-3


def large(case: Case) -> bool:
    """Whether the inputs' root mean square is above LARGE."""
    return (case.readings.input_rms or 0.0) > LARGE


def small(case: Case) -> bool:
    """Whether the inputs' root mean square is below SMALL; False where it is unknown."""
    rms = case.readings.input_rms
    return rms is not None and rms < SMALL


def uneven(case: Case) -> bool:
    """Whether the columns differ in scale by more than UNEVEN, and nothing standardises them."""
    return (spread(case) or 0.0) > UNEVEN and case.scaling in ("none", "unit", "symmetric")


def spread(case: Case) -> float | None:
    """The largest column's standard deviation over the median one's, as the first kernel's."""
    data = case.signals.data
    return data.column_spread if data is not None and not case.network.normalizes_inputs else None


def odd_targets(case: Case) -> float | None:
    """A regression's E[y^2] where that is out of the ordinary and nothing scales it."""
    data = case.signals.data
    square = data.target_mean_square if data is not None else None
    scaled = case.spec["dataset"].get("target_scaling") == "standard"
    if square is None or not case.regression or scaled:
        return None
    return square if square >= _TARGET_LARGE or square < _TARGET_SMALL else None
