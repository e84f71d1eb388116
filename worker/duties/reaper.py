"""Which workers fell silent: by what this one has seen, since the database's clock may jump."""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from contract.jobs import lifecycle
from contract.jobs.leases import Lease
from contract.jobs.lifecycle import Claim
from contract.settings import Settings
from contract.store.database import Database

log = logging.getLogger(__name__)


class Reaper:
    """Remembers since when each lease has not been renewed, by `clock`, which never jumps."""

    def __init__(
        self, database: Database, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._max_crashes = settings.max_crashes
        self._lease_seconds = settings.lease_seconds
        # A worker that lives renews in between, whatever the database's clock says.
        self._sure_seconds = min(2 * settings.heartbeat_seconds, settings.lease_seconds)
        self._clock = clock
        self._seen: dict[tuple[Claim, datetime], float] = {}

    def reap(self, ours: Collection[Claim]) -> int:
        """Let the jobs go on elsewhere whose workers are silent. Returns how many."""
        with self._database.reading() as session:
            silent = self.silent(lifecycle.leases(session), ours)
        if not silent:
            return 0
        with self._database.writing() as session:
            reaped = lifecycle.reap(session, silent, max_crashes=self._max_crashes)
        log.warning("%d jobs taken from silent workers", reaped)
        return reaped

    def silent(self, leases: Sequence[Lease], ours: Collection[Claim]) -> list[Lease]:
        """Those of `leases`, as just read, to be reaped; never those of `ours`, the claims that
        this worker holds itself.

        A lease is over when it was not renewed for its whole length while we looked; or, so that
        a successor need not wait so long, when it has expired and was not renewed for two
        heartbeats.
        """
        at = self._clock()
        read = {(lease.held, lease.until): lease for lease in leases}
        self._seen = {key: self._seen.get(key, at) for key in read}
        return [
            lease
            for key, lease in read.items()
            if lease.held not in ours and at - self._seen[key] >= self._patience(lease)
        ]

    def _patience(self, lease: Lease) -> float:
        return self._sure_seconds if lease.expired else self._lease_seconds
