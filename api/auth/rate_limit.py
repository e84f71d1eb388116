"""How fast someone may ask."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from contract.errors import TooManyRequests

_BURST_SECONDS = 2


class Rate:
    """A token bucket a key, of this process alone: several processes each allow as much.

    For the event loop's thread only. A bucket that was left alone until it must be full again is
    forgotten, so no more are kept than there were keys in use within that time. `limited` says in
    a refusal who may ask how often.
    """

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        limited: str = "a key may make {rate:g} requests a second, {burst:g} at once "
        "(PLATEAU_REQUESTS_PER_SECOND), and this one has made them",
    ) -> None:
        self.per_second = per_second
        self._limited = limited
        self.capacity = max(1.0, per_second * _BURST_SECONDS)
        self._clock = clock
        # By key: what was in the bucket, and when that was. The one used last comes last.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str) -> None:
        """Count a request. Raises TooManyRequests, and then the request does not count."""
        at = self._clock()
        self._forget_full(at)
        content, then = self._buckets.pop(key, (self.capacity, at))
        content = min(self.capacity, content + (at - then) * self.per_second)
        self._buckets[key] = (content - 1 if content >= 1 else content, at)
        if content < 1:
            self._refuse((1 - content) / self.per_second)

    def _forget_full(self, at: float) -> None:
        full = self.capacity / self.per_second
        while self._buckets and at - next(iter(self._buckets.values()))[1] >= full:
            self._buckets.popitem(last=False)

    def _refuse(self, wait: float) -> None:
        seconds = math.ceil(wait)
        limited = self._limited.format(rate=self.per_second, burst=self.capacity)
        raise TooManyRequests(f"{limited}: ask again in {seconds} s", seconds)
