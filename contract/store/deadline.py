"""How long what is done now may wait for others: one deadline, whatever is tried within it.

It belongs to the task or thread, as all context variables do, and goes with it into threads that
AnyIO starts. Without one, each wait has its own limit.
"""

import math
import time
from contextvars import ContextVar

_until: ContextVar[float] = ContextVar("deadline", default=math.inf)


def left(most: float) -> float:
    """Seconds to wait: those to the deadline, but at most `most`, and never below 0."""
    return max(0.0, min(most, _until.get() - time.monotonic()))


def begin(seconds: float) -> None:
    """Set the deadline of this task or thread, `seconds` from now."""
    _until.set(time.monotonic() + seconds)
