"""What this process holds of the machine's memory, and how it is given back."""

import ctypes
import gc
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

_STATUS = Path("/proc/self/status")
_OWN = ("RssAnon", "VmSwap")  # mapped files are the system's to drop


def held_bytes() -> int:
    """0 where the system does not tell (only Linux does)."""
    try:
        lines = dict(line.partition(":")[::2] for line in _STATUS.read_text().splitlines())
    except FileNotFoundError:
        return 0
    return sum(1024 * int(lines[name].split()[0]) for name in _OWN)


def give_back() -> None:
    """Return to the system what nothing refers to any more."""
    gc.collect()
    with suppress(OSError, AttributeError):  # glibc's own
        ctypes.CDLL(None).malloc_trim(0)


class Allowance:
    """What the process may hold between two jobs: `limit_bytes` beyond what it began with, which
    is what it holds now, or, unless `begun`, after the first job."""

    def __init__(self, limit_bytes: int, forget: Callable[[], None], *, begun: bool) -> None:
        self._limit_bytes = limit_bytes
        self._forget = forget
        self._base_bytes = held_bytes() if begun else None

    def exceeded(self) -> bool:
        """Whether it holds more, even after it was made to `forget` what it could do without."""
        if self._base_bytes is None:
            self._base_bytes = held_bytes()
        limit = self._base_bytes + self._limit_bytes
        if (before := held_bytes()) <= limit:
            return False
        self._forget()
        give_back()
        after = held_bytes()
        log.info("memory held between jobs: %d MB, now %d MB", before >> 20, after >> 20)
        return after > limit
