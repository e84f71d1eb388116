"""Steps that are tried again, for as long as what stops them may pass."""

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from contract.store.database import disk_full
from contract.store.transient_faults import passes

log = logging.getLogger(__name__)

# What has failed so often in a row, and for so long, passes no more.
_TIMES, _SECONDS = 5, 60.0
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass
class _Failing:
    """In a row `times`, since `since`; not to be tried again before `due`."""

    since: float
    times: int = 0
    due: float = 0.0


class Attempts:
    """At the next steps of several things, each known by its id. `what` names one in the log.

    One that fails is tried again at once, then ever later, up to every 30 s. It is given up where
    its fault would come again each time, or has come again for a minute. A full disk ends nothing.
    """

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._clock = clock
        self._failing: dict[str, _Failing] = {}

    def keep(self, ids: Collection[str]) -> None:
        """Forget all others."""
        self._failing = {id_: failing for id_, failing in self._failing.items() if id_ in ids}

    def due(self, id_: str) -> bool:
        """Whether it may be tried now: it did not fail, or has waited long enough since."""
        return id_ not in self._failing or self._failing[id_].due <= self._clock()

    def make(self, id_: str, step: Callable[[], None], give_up: Callable[[], None]) -> bool:
        """Take `step`. False where it failed, and is to be tried again: others may fail likewise.

        What is given up is told why by the log.
        """
        try:
            step()
        except Exception as error:
            if not self._worn_out(id_, error):
                log.warning("%s %s failed, and is tried again: %s", self._what, id_, error)
                return False
            log.exception("%s %s broke off", self._what, id_)
            return self._ended(id_, give_up)
        self._failing.pop(id_, None)
        return True

    def _ended(self, id_: str, give_up: Callable[[], None]) -> bool:
        try:
            give_up()
        except Exception:
            log.exception("%s %s could not be ended, which is tried again", self._what, id_)
            return False
        self._failing.pop(id_, None)
        return True

    def _worn_out(self, id_: str, error: Exception) -> bool:
        if not passes(error):
            return True
        now = self._clock()
        failing = self._failing.setdefault(id_, _Failing(now))
        failing.times += 1
        pause = 2.0 ** (failing.times - 2) if failing.times > 1 else 0.0
        failing.due = now + min(pause, _LONGEST_PAUSE_SECONDS)
        long = failing.times >= _TIMES and now - failing.since >= _SECONDS
        return long and not disk_full(error)
