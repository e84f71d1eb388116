"""Questions to one series of numbers, an epoch each, in which any may be missing or not finite."""

import math
from collections.abc import Sequence

Series = Sequence[float | None]

# A fall counts that is this many standard errors from none, and this share of the level.
_STANDARD_ERRORS = 2.0
_SHARE = 0.01
_SHORTEST = 3


def finite(value: float | None) -> float | None:
    """The number itself; None where it is missing, NaN or infinite."""
    return value if value is not None and math.isfinite(value) else None


def first_non_finite(series: Series) -> int | None:
    """The epoch, from 1, of the first NaN or infinity."""
    return next(
        (n for n, v in enumerate(series, 1) if v is not None and not math.isfinite(v)), None
    )


def best(series: Series) -> tuple[int, float] | None:
    """Epoch, from 1, and value of the largest finite number; the first of equals."""
    points = [(n, v) for n, v in enumerate(series, 1) if v is not None and math.isfinite(v)]
    return max(points, key=lambda point: point[1], default=None)


def last(series: Series) -> float | None:
    """The last number if it is there and finite."""
    return finite(series[-1]) if series else None


def still_falling(series: Series) -> bool:
    """Whether the last quarter of the series, three epochs at least, has a slope downwards.

    The slope is that of the least-squares line. It must be clear of the scatter around the line,
    and its fall over these epochs more than 1 % of their level.
    """
    end = series[-max(_SHORTEST, math.ceil(len(series) / 4)) :]
    values = [v for v in end if v is not None and math.isfinite(v)]
    if len(values) < len(end) or len(values) < _SHORTEST:
        return False
    slope, error = _line(values)
    level = abs(sum(values) / len(values))
    fall = -slope * (len(values) - 1)
    return fall > _SHARE * level and -slope > _STANDARD_ERRORS * error


def _line(values: Sequence[float]) -> tuple[float, float]:
    """Slope per epoch of the least-squares line, and the slope's standard error."""
    count = len(values)
    middle = (count - 1) / 2
    mean = sum(values) / count
    spread = sum((n - middle) * (n - middle) for n in range(count))
    slope = sum((n - middle) * (v - mean) for n, v in enumerate(values)) / spread
    off = [v - mean - slope * (n - middle) for n, v in enumerate(values)]
    variance = sum(o * o for o in off) / (count - 2)
    return slope, math.sqrt(variance / spread)
