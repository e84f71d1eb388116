"""Duties that come round: one thread each, so that a slow one delays no other."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Periodic:
    """Calls `duty` every `seconds`, at once after `wake`, until `stop`. An error is logged, and
    the duty comes round again: it may have been the database that was away."""

    def __init__(self, name: str, seconds: float, duty: Callable[[], None]) -> None:
        self._seconds = seconds
        self._duty = duty
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; the first call comes at once."""
        self._thread.start()

    def wake(self) -> None:
        """Call the duty now, or once more after the call under way."""
        self._wake.set()

    def stop(self) -> None:
        """Returns when the duty under way is done; without effect before `start`."""
        self._stopped = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped:
            try:
                self._duty()
            except Exception:
                log.exception("%s failed, next try in %g s", self._thread.name, self._seconds)
            self._wake.wait(self._seconds)
            self._wake.clear()
