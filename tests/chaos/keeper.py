"""Processes that are started again whenever they end, as Docker or systemd would."""

import signal
import subprocess
import threading
from collections.abc import Mapping
from functools import partial
from typing import Self

import httpx
from sqlmodel import col, select

from contract.store.tables import Job, Worker
from tests import processes, services
from tests.sites import Site, trainer_pid


class Kept:
    """One process after the other, all with the same environment and the same log."""

    def __init__(self, site: Site, module: str, environment: Mapping[str, str]) -> None:
        self.log = site.log_of(module)
        self._site = site
        self._module = module
        self._environment = environment
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        self.process = self._site.spawn(self._module, self.log, self._environment)
        return self.process

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def trainer_pid(self, job: Job) -> int | None:
        """Of the job's present attempt; None until the worker tells of it."""
        return trainer_pid(self.log, job.id, job.attempts)


class Keeper:
    """Keeps the processes of a site until its `with` ends, which kills them."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._kept: list[Kept] = []
        self._workers: list[Kept] = []
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._restart, daemon=True)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()
        for kept in self._kept:
            kept.send(signal.SIGCONT)
            kept.process.kill()
            kept.process.wait()

    def workers(self, count: int, **environment: str) -> list[Kept]:
        """So many workers that are ready."""
        workers = [self._keep("worker", environment) for _ in range(count)]
        self._workers += workers
        self.wait_until_ready()
        return workers

    def wait_until_ready(self) -> None:
        """Until every worker serves, those that were started again too."""
        for worker in self._workers:
            processes.wait_for(f"a worker; its log: {worker.log}", partial(self._serves, worker))

    def holder(self, job: Job) -> Kept | None:
        """The worker that the row names, if it is one of ours and lives."""
        with self._site.database.reading() as session:
            pids = session.exec(select(Worker.pid).where(col(Worker.id) == job.worker_id)).all()
        return next((kept for kept in self._kept if kept.process.pid in pids), None)

    def api(self) -> tuple[Kept, httpx.URL]:
        """An API that answers, and goes on answering at the same address."""
        port = str(services.free_port())
        api = self._keep("api", {"PLATEAU_PORT": port})
        url = httpx.URL(f"http://127.0.0.1:{port}")
        processes.wait_for(f"an API; its log: {api.log}", lambda: answers(url))
        return api, url

    def _serves(self, worker: Kept) -> bool:
        process = worker.process
        return process.poll() is None and self._site.registered(process)

    def _keep(self, module: str, environment: Mapping[str, str]) -> Kept:
        kept = Kept(self._site, module, environment)
        self._kept.append(kept)
        return kept

    def _restart(self) -> None:
        while not self._over.wait(0.02):
            for kept in list(self._kept):
                if kept.process.poll() is not None:
                    kept.start()


def answers(url: httpx.URL) -> bool:
    """Whether an API is ready there."""
    try:
        # Of no use here, and to read all certificates takes longer than the answer.
        return httpx.get(url.join("/readyz"), timeout=2, verify=False).status_code == 200
    except httpx.TransportError:
        return False
