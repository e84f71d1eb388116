"""Watches the queue for jobs that an idle slot could take: messages get lost, and with the embedded
broker the API cannot send any."""

import logging
import os
import signal
import time
from collections.abc import Iterable

from celery import Celery

from contract.jobs import broker, lifecycle
from contract.settings import Settings
from contract.store.database import Database
from contract.store.revision import OtherSchema
from worker.duties.advance_proofs import Prover
from worker.pool.periodic import Periodic
from worker.pool.slots import Slots

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.02


class QueueWatch:
    """Looks every `queue_watch_seconds`, when woken, and, with the embedded broker, when something
    was committed."""

    def __init__(self, database: Database, settings: Settings, app: Celery, slots: Slots) -> None:
        self._database = database
        self._settings = settings
        self._app = app
        self._slots = slots
        self._prover = Prover(database, settings)
        self._queues: tuple[str, ...] = ()
        self._unanswered_since: float | None = None
        self._state: str | None = None
        self._stranger = False
        self._watch = Periodic("queue watch", settings.queue_watch_seconds, self._watch_queue)
        self._looks = Periodic("lookout", _LOOK_SECONDS, self._look)

    def start(self, queues: Iterable[str]) -> None:
        """Begin to watch for the jobs of `queues`, now that there is a consumer to hear it."""
        self._queues = tuple(queues)
        self._watch.start()
        if self._settings.embedded_broker:
            self._looks.start()

    def stop(self) -> None:
        """Returns when the look under way is done."""
        self._looks.stop()
        self._watch.stop()

    def wake(self) -> None:
        """Look at once."""
        self._watch.wake()

    def heard(self) -> None:
        """A message came through: the broker works."""
        self._unanswered_since = None

    def _look(self) -> None:
        if self._slots.idle and (state := self._database.changes.state()) != self._state:
            self._state = state
            self._watch.wake()

    def _watch_queue(self) -> None:
        """Let proofs go on, and notify the broker; neither in another version's database."""
        if not self._at_home():
            return
        self._prover.prove()
        with self._database.reading() as session:
            waiting = session.exec(lifecycle.queued_for(self._queues, self._slots.idle)).all()
        if not waiting:
            self._unanswered_since = None
            return
        since = self._unanswered_since = self._unanswered_since or time.monotonic()
        for job_id, device in waiting:
            broker.notify(self._app, job_id, device)
        if time.monotonic() - since > self._settings.idle_exit_seconds:
            log.error("deaf to the broker while jobs wait: exiting, to be started again")
            os.kill(os.getpid(), signal.SIGTERM)

    def _at_home(self) -> bool:
        try:
            self._database.check_schema()
        except OtherSchema as error:
            if not self._stranger:
                log.error("no job is taken: %s", error)
            self._stranger = True
            return False
        self._stranger = False
        return True
