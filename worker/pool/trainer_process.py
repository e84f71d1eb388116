"""A trainer process as its worker sees it: started, given orders, listened to, ended."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

from contract.settings import Settings
from worker.protocol import REPORTS, Channel, End, News, Ready, Stop, Train

_EXIT_SECONDS = 5


class TrainerDied(Exception):
    """The process ended in the middle of its work."""


class TrainerLeft(TrainerDied):
    """The process had been told to go, and left without having begun what it was ordered."""


class Unfit(Exception):
    """This node cannot train at the moment; the job was given back."""


class TrainerProcess:
    """One trainer, started and reaped by us.

    `jobs` counts the orders that it was given; a `retired` one is given no more.
    """

    def __init__(self, settings: Settings, number: int, gpu: str | None) -> None:
        ours, theirs = socket.socketpair()
        environment = os.environ | {"OMP_NUM_THREADS": str(settings.threads_per_slot)}
        if gpu is None:
            # Without a GPU, TensorFlow's log is about nothing but the GPU that it cannot find.
            environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        else:
            environment["CUDA_VISIBLE_DEVICES"] = gpu
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", settings.trainer, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=environment,
            )
        self.number = number
        self.jobs = 0
        self.retired = False
        self._scratch = settings.var_dir / "scratch"
        self._channel = Channel(ours)
        self._lines = self._channel.read()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def devices(self) -> list[str]:
        """Wait until the process is ready. Raises TrainerDied."""
        for line in self._lines:
            message = REPORTS.validate_json(line)
            if isinstance(message, Ready):
                return message.devices
        raise TrainerDied(self.obituary())

    def train(self, order: Train) -> Iterator[News | End]:
        """The reports on one order; the last one is an `End`.

        Raises TrainerDied, TrainerLeft.
        """
        self.jobs += 1
        self._send(order)
        for line in self._lines:
            message = REPORTS.validate_json(line)
            if isinstance(message, Ready):
                continue
            yield message
            if isinstance(message, End):
                return
        died = TrainerLeft if self._process.wait() == 0 else TrainerDied
        raise died(self.obituary())

    def stop(self, job_id: str, fence: int) -> None:
        """Ask the run of this claim to end at its next step boundary."""
        self._send(Stop(job_id=job_id, fence=fence))

    def kill(self) -> None:
        """End the process at once, without waiting for it."""
        self._process.kill()

    def close(self) -> None:
        """End the process: it leaves when its channel closes, or is killed."""
        with suppress(OSError):
            self._channel.close()
        try:
            self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for left in self._scratch.glob(f"{self.pid}-*"):  # a killed process cleans up nothing
            shutil.rmtree(left, ignore_errors=True)

    def obituary(self) -> str:
        """How the process ended, in words."""
        code = self._process.wait()
        if code >= 0:
            return f"the trainer process exited with status {code}"
        return f"the trainer process was ended by signal {-code}"

    def _send(self, message: Train | Stop) -> None:
        with suppress(OSError):  # a dead trainer is noticed where its reports are read
            self._channel.send(message)
