"""The compose file's services as processes on this machine."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests import processes
from tests.acceptance import compose


class Composed:
    """The services as processes: the commands and the environment are those of the files."""

    def __init__(
        self, folder: Path, variables: Mapping[str, str], addresses: Mapping[str, str]
    ) -> None:
        """`variables` are those of .env.

        `addresses` maps what the files say (`redis:6379`) to what stands for it here, in order.
        """
        self.folder = folder
        self.addresses = addresses
        self.stages = compose.stages()
        self.services = {
            name: service
            for name, service in compose.services(variables).items()
            if "profiles" not in service
        }

    @contextmanager
    def running(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        log = self.folder / f"{name}.log"
        with log.open("wb") as output, self._start(name, self._command(name), output) as process:
            try:
                yield process
            except BaseException as error:
                error.add_note(f"{name} said:\n{log.read_text()[-4000:]}")
                raise
            finally:
                if process.poll() is None:
                    process.kill()

    def wait_until_healthy(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """By the image's own health check."""
        check = self._stage(name).healthcheck

        def healthy() -> bool:
            assert process.poll() is None, f"{name} ended with {process.returncode}"
            return self._start(name, check).wait() == 0

        processes.wait_for(f"{name} to be healthy", healthy, seconds=120)

    def execute(self, name: str, *command: str) -> str:
        """What `docker compose exec NAME COMMAND` writes to its output; it must succeed."""
        return subprocess.run(
            [sys.executable, *command[1:]],
            cwd=self.folder / name,
            env=self._environment(name),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    def stop(self, name: str, process: subprocess.Popen[bytes]) -> int:
        """Exit status after SIGTERM, within the service's grace period."""
        process.send_signal(signal.SIGTERM)
        return process.wait(float(self.services[name]["stop_grace_period"].removesuffix("s")))

    def _stage(self, name: str) -> compose.Stage:
        return self.stages[self.services[name]["build"]["target"]]

    def _command(self, name: str) -> list[str]:
        return list(self.services[name].get("command", self._stage(name).command))

    def _start(
        self, name: str, command: list[str], output: IO[bytes] | None = None
    ) -> subprocess.Popen[bytes]:
        place = self.folder / name
        if not place.exists():
            self._stage(name).unpack(place)
        return subprocess.Popen(
            [sys.executable, *command[1:]],
            cwd=place,
            env=self._environment(name),
            stdout=output or subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )

    def _environment(self, name: str) -> dict[str, str]:
        stated: dict[str, str] = self._stage(name).environment | self.services[name]["environment"]
        del stated["PATH"], stated["HOME"]
        for told, actual in self.addresses.items():
            stated = {key: value.replace(told, actual) for key, value in stated.items()}
        return os.environ | stated
