"""Processes of this service that belong to a script: they are kept alive, and end when it does."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

# A worker that is told to stop ends the step under way and saves; then Celery leaves in 2 s.
STOP_SECONDS = 60.0
_LOOK_SECONDS = 0.2
# Between an end and the next start: twice as long each time, unless it had run for a while.
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, _WHILE_SECONDS = 0.5, 30.0, 60.0


class Child:
    """`python -m MODULE`, its output in `log` or on the terminal."""

    def __init__(self, module: str, log: Path | None) -> None:
        self.module = module
        self._log = log
        self._pause_seconds = _PAUSE_SECONDS
        self._due: float | None = None  # the next start, once its end was seen
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._started = time.monotonic()
        output = None if self._log is None else self._log.open("ab")
        try:
            # In a session of its own: Ctrl-C reaches this script alone, which then stops it once.
            return subprocess.Popen(
                [sys.executable, "-m", "scripts.child", self.module],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            if output is not None:
                output.close()

    @property
    def exit_status(self) -> int | None:
        return self._process.poll()

    def keep(self) -> None:
        """Start it again if it has ended and its pause is over. Says so."""
        now = time.monotonic()
        if self.exit_status is None:
            return
        if self._due is None:
            if now - self._started > _WHILE_SECONDS:
                self._pause_seconds = _PAUSE_SECONDS
            self._due = now + self._pause_seconds
            print(
                f"The {self.module} {_ended(self.exit_status)}; it is started again in "
                f"{self._pause_seconds:g} s.",
                file=sys.stderr,
                flush=True,
            )
        elif now >= self._due:
            self._due = None
            self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)
            self._forget()
            self._process = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """SIGTERM, and force after STOP_SECONDS."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget()

    def _forget(self) -> None:
        """Let go of one that has ended."""
        assert self._process.stdin is not None
        self._process.stdin.close()


@contextmanager
def kept(children: Sequence[Child]) -> Iterator[None]:
    """Meanwhile each that ends is started again."""
    stopped = threading.Event()

    def keep() -> None:
        while not stopped.wait(_LOOK_SECONDS):
            for child in children:
                child.keep()

    keeper = threading.Thread(target=keep, name="keeper", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stopped.set()
        keeper.join()


def _ended(status: int) -> str:
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
