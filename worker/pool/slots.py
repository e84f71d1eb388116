"""The slots of a worker, each with a trainer process that has TensorFlow loaded and waits."""

import logging
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from contract.settings import Settings
from worker.pool.trainer_process import TrainerDied, TrainerProcess

log = logging.getLogger(__name__)

_LOOK_UP_SECONDS = 0.5


class Slots:
    """As many trainers as jobs may run at once, each replaced when it dies or has served long."""

    def __init__(self, settings: Settings, count: int, gpus: Sequence[str]) -> None:
        self._settings = settings
        self._gpus = gpus
        self._idle: queue.SimpleQueue[TrainerProcess] = queue.SimpleQueue()
        self._all: dict[int, TrainerProcess] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.count = count
        self.devices: list[str] = []
        self._failed: set[int] = set()
        self._decided = threading.Event()

    def open(self) -> None:
        """Start the trainers; returns when the first is ready. Raises TrainerDied."""
        for number in range(self.count):
            self._refill(number)
        self._decided.wait()
        if not self.devices:
            raise TrainerDied("no trainer process could start; see the lines above")

    @property
    def idle(self) -> int:
        """How many trainers wait for a job; none once they are no more given out."""
        return 0 if self._closing.is_set() else self._idle.qsize()

    @contextmanager
    def take(self) -> Iterator[TrainerProcess]:
        """A warm trainer; it comes back to the pool, or is replaced if an exception passes."""
        while not (trainer := self._next()).alive:
            self._replace(trainer)
        try:
            yield trainer
        except BaseException:
            trainer.kill()
            self._replace(trainer)
            raise
        if trainer.retired or trainer.jobs >= self._settings.jobs_per_trainer:
            self._replace(trainer)
        else:
            self._idle.put(trainer)

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the worker's end."""
        self._closing.wait(seconds)

    def drain(self) -> None:
        """Give out no more trainers, and start none; those at work go on."""
        self._closing.set()

    def close(self) -> None:
        """End all trainers, at work or not."""
        self.drain()
        with self._lock:
            trainers = list(self._all.values())
        for trainer in trainers:
            trainer.kill()
            trainer.close()

    def _next(self) -> TrainerProcess:
        """Raises TrainerDied when no trainer will come any more."""
        while not self._closing.is_set():
            with suppress(queue.Empty):
                return self._idle.get(timeout=_LOOK_UP_SECONDS)
        raise TrainerDied("the worker is being stopped")

    def _replace(self, trainer: TrainerProcess) -> None:
        trainer.close()
        self._refill(trainer.number)

    def _refill(self, number: int) -> None:
        threading.Thread(target=self._start, args=[number], daemon=True).start()

    def _start(self, number: int) -> None:
        """Start a trainer until one gets ready; a machine may be short of memory for a while."""
        pause = 1.0
        while not self._closing.is_set():
            try:
                self._idle.put(self._started(number))
            except (TrainerDied, OSError) as death:
                if not self._closing.is_set():
                    log.error("slot %d: %s before it was ready", number, death)
                self._failed.add(number)
                if len(self._failed) == self.count:
                    self._decided.set()
                self._closing.wait(pause)
                pause = min(pause * 2, 60.0)
                continue
            self._decided.set()
            return

    def _started(self, number: int) -> TrainerProcess:
        gpu = self._gpus[number % len(self._gpus)] if self._gpus else None
        trainer = TrainerProcess(self._settings, number, gpu)
        with self._lock:
            self._all[number] = trainer
        try:
            self.devices = trainer.devices()
        except TrainerDied:
            trainer.close()
            raise
        return trainer
