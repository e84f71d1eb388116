"""A trainer process: `python -m worker.trainer FD` loads TensorFlow once, then trains and trains.

Started by exec, never by fork, and owned by one slot of a worker. When the worker dies the socket
FD closes, and the trainer leaves at once: it must not compute for nobody.
"""

import errno
import logging
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from contract import logs
from contract.errors import CheckpointUnusable, RunFailed
from contract.settings import Settings, read_settings
from contract.store.artifacts import ArtifactDamaged, ArtifactStore
from worker.protocol import (
    ORDERS,
    Channel,
    End,
    Failed,
    Finished,
    Ready,
    Stop,
    Stopped,
    Train,
    Unavailable,
    Unusable,
)
from worker.trainer.memory import Allowance
from worker.trainer.reporter import Reporter
from worker.trainer.run_files import Desk, Files

if TYPE_CHECKING:
    from worker.training.program.cache import Programs

log = logging.getLogger(__name__)

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


# Trains one order and tells `Reporter` about it; worker.training behind it, or a fake in tests.
Run = Callable[[Train, Files, Reporter], Finished | Stopped]


class Trainer:
    """Takes orders from `channel`, one at a time, until the other end is gone.

    It listens from the start: a worker may leave while TensorFlow is still being loaded.
    """

    def __init__(self, channel: Channel, settings: Settings) -> None:
        self._channel = channel
        self._store = ArtifactStore(settings.artifacts_url)
        self._desk = Desk(settings, self._store)
        self._orders: queue.SimpleQueue[Train | None] = queue.SimpleQueue()
        self._stop_claim: tuple[str, int] | None = None
        self._serving = self._terminated = False
        self._max_idle_bytes = settings.max_idle_bytes
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the worker's to handle
        signal.signal(signal.SIGTERM, self._terminate)
        threading.Thread(target=self._listen, daemon=True).start()

    def serve(
        self, devices: list[str], run: Run, forget: Callable[[], None] = lambda: None
    ) -> None:
        """Say that this process can train on `devices`, and `run` whatever is ordered.

        `forget` drops what runs leave to those that follow.
        """
        self._serving = True
        # A GPU's libraries come with the first run.
        allowance = Allowance(self._max_idle_bytes, forget, begun="gpu" not in devices)
        self._channel.send(Ready(devices=devices))
        leaving = False
        while not leaving and (order := self._orders.get()) is not None:
            with logs.bound(job_id=order.job_id, fence=order.fence):
                end = self._obey(order, run)
                leaving = self._terminated or allowance.exceeded()
                self._channel.send(end.model_copy(update={"leaving": leaving}))

    def _terminate(self, *_: Any) -> None:
        """SIGTERM: stop at the next step boundary, with a checkpoint."""
        self._terminated = True
        if not self._serving:
            sys.exit(0)
        self._orders.put(None)  # an order that was taken is answered first

    def _listen(self) -> None:
        try:
            for line in self._channel.read():
                order = ORDERS.validate_json(line)
                if isinstance(order, Stop):
                    self._stop_claim = (order.job_id, order.fence)
                else:
                    self._orders.put(order)
        except BaseException:
            log.exception("orders cannot be read")
            self._leave(1)
        self._leave(0)

    def _leave(self, status: int) -> NoReturn:
        """From a thread, and in the middle of a graph call: nothing gentler acts."""
        with suppress(Exception):
            self._desk.close()
        os._exit(status)

    def _obey(self, order: Train, run: Run) -> End:
        def stop_requested() -> bool:
            return self._terminated or self._stop_claim == (order.job_id, order.fence)

        reporter = Reporter(order, self._channel, self._store, stop_requested)
        try:
            with self._desk.laid_out(order) as files:
                return run(order, files, reporter)
        except RunFailed as error:
            return Failed(code=error.code, message=error.message, hint=error.hint)
        except ArtifactDamaged as error:
            return Unusable(reason=f"is damaged ({error})")
        except CheckpointUnusable as error:
            return Unusable(reason=str(error))
        except OSError as error:
            return _unavailable(order, error)
        except Exception as error:
            log.exception("run of %s failed", order.job_id)
            message = f"{type(error).__name__}: {error}"[:2000]
            hint = "This is a fault of Plateau or of its libraries; the worker's log has the trace."
            return Failed(code="internal_error", message=message, hint=hint)


def _unavailable(order: Train, error: OSError) -> Unavailable:
    log.exception("run of %s given back", order.job_id)
    code = "storage_full" if error.errno in _NO_ROOM else "node_unfit"
    return Unavailable(code=code, reason=f"{type(error).__name__}: {error}"[:500])


def channel_from_arguments() -> Channel:
    """The socket whose number the worker put on the command line."""
    return Channel(socket.socket(fileno=int(sys.argv[1])))


def main() -> None:
    """Obey the worker that started this process, until it closes the channel."""
    settings = read_settings()
    logs.configure(settings, "trainer")
    trainer = Trainer(channel_from_arguments(), settings)

    # Not at the top: this loads TensorFlow, and a fake trainer does without.
    from worker.training.runtime import configure

    devices = configure(settings.threads_per_slot)
    from worker.training.program.cache import Programs

    programs = Programs(settings.var_dir / "arrays")
    trainer.serve(devices, partial(train_for_real, settings, programs), programs.forget)


def train_for_real(
    settings: Settings, programs: "Programs", order: Train, files: Files, reporter: Reporter
) -> Finished | Stopped:
    """The `Run` that trains with Keras, and leaves in `programs` what the next can use."""
    from worker.training import hooks as training_hooks
    from worker.training import run

    end = run.train(
        order.experiment,
        order.facts,
        upload=files.upload,
        data_dir=settings.data_dir,
        scratch=files.scratch,
        resume=files.resume,
        checkpoint_seconds=settings.checkpoint_seconds,
        hooks=reporter,
        programs=programs,
    )
    if isinstance(end, training_hooks.Stopped):
        return Stopped(checkpoint=end.checkpoint and reporter.keep(end.checkpoint))
    kept = {"model": end.model, "scaling": end.scaling}
    return Finished(
        artifacts={name: reporter.keep_artifact(file) for name, file in kept.items()},
        **{name: value for name, value in vars(end).items() if name not in kept},
    )


if __name__ == "__main__":
    main()
