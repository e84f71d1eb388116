"""`make serve` keeps what it started, and what it started does not outlive it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from scripts import children
from scripts.children import Child, kept
from tests import jobs, processes, services
from tests.sites import FAKE, Site, site_on

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


@dataclass
class Served:
    """`python -m scripts.serve`, and what it has under it."""

    site: Site
    process: subprocess.Popen[bytes]
    log: Path
    client: httpx.Client

    def child(self, module: str) -> int | None:
        """The process that runs `module`."""
        wanted = f"scripts.child\0{module}".encode()
        for pid in processes.children(self.process.pid):
            if wanted in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        return None

    def all(self) -> list[int]:
        """Its processes and theirs."""
        own = processes.children(self.process.pid)
        return own + [pid for each in own for pid in processes.children(each)]

    def works(self) -> bool:
        """Whether the API answers, and has a worker that lives."""
        try:
            if self.client.get("/readyz").status_code != 200:
                return False
            workers = self.client.get("/v1/workers").json()["data"]
        except httpx.TransportError:
            return False
        return self.child("api") is not None and self.child("worker") in [
            worker["pid"] for worker in workers
        ]

    def wait_until_it_works(self) -> None:
        processes.wait_for(f"the service; its log: {self.log}", self.works)


def is_gone(pid: int) -> bool:
    return not processes.runs(pid)


@contextmanager
def serving(url: str, folder: Path) -> Iterator[Served]:
    port = str(services.free_port())
    with site_on(url, "memory://", folder, **FAKE) as site:
        log = site.log_of("serve")
        with (
            site.spawn("scripts.serve", log, {"PLATEAU_PORT": port}) as process,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
        ):
            served = Served(site, process, log, client)
            try:
                served.wait_until_it_works()
                # Until then what ends is a start that failed.
                processes.wait_for("it to say so", lambda: "listens on" in log.read_text())
                yield served
            finally:
                process.terminate()


def test_what_is_killed_is_started_again(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as served:
        for module in ("api", "worker"):
            killed = served.child(module)
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            processes.wait_for(f"the {module} to end", partial(is_gone, killed))
            served.wait_until_it_works()
            assert served.child(module) != killed
            assert f"The {module} was ended by signal 9; it is started" in served.log.read_text()
        job_id = jobs.submit(served.site.database)
        assert [job.status for job in served.site.wait_for_end(job_id)] == ["succeeded"]
        family = served.all()
        assert len(family) == 4, "the API, the worker and its two trainers"
        served.process.terminate()
        assert served.process.wait(processes.STOP_SECONDS) == 0
        assert all(map(is_gone, family))


def test_what_it_started_ends_with_it(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as served:
        training = jobs.experiment().training.model_copy(update={"epochs": 10_000})
        job_id = jobs.submit(served.site.database, training=training.model_dump(mode="json"))
        served.site.wait_for_epoch(job_id, 1)
        family = served.all()
        assert len(family) == 4
        served.process.kill()
        processes.wait_for("all to end", lambda: all(map(is_gone, family)))
        job = served.site.job(job_id)
    assert (job.status, job.crashes) == ("queued", 0), "its worker was told to go, and had the time"


def test_what_ends_at_once_is_started_ever_more_seldom(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(children, "_LONGEST_PAUSE_SECONDS", 0.03)
    said: list[str] = []

    def times() -> int:
        said.extend(capsys.readouterr().err.splitlines())
        return len(said)

    with Child("scripts.nowhere", tmp_path / "log") as child, kept([child]):
        processes.wait_for("four ends", lambda: times() >= 4)
    words = "The scripts.nowhere ended with status 1; it is started again in"
    assert said[:4] == [f"{words} {pause} s." for pause in (0.01, 0.02, 0.03, 0.03)]
    assert (tmp_path / "log").read_text().count("No module named scripts.nowhere") >= 4
