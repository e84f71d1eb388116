"""Numbers that survive JSON: RFC 8259 has no NaN and no infinity, a failing run has both."""

import math
from typing import Any

Number = float | int | str | None


def encode(value: Any) -> Any:
    """`value` with every non-finite float, however deep, as "NaN", "Infinity" or "-Infinity"."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    return value


def decode(value: Number) -> float | None:
    """The float behind one encoded number; None stays None."""
    return None if value is None else float(value)
