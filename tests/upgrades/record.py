"""`python -m tests.upgrades.record CODE REVISION`: what an earlier version stores, jobs in flight.

CODE is a folder with that version of Plateau, such as `git archive` gives. It runs there as it was:
its own API, its own workers and trainers. The rows of its database and the files behind them go
into the folder REVISION beside this module; `tests.upgrades.stored` puts them back.
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests import processes, services

HERE = Path(__file__).parent
FLOWERS = "length,width,species\n" + "".join(
    f"{length + step / 10:.2f},{width + step / 20:.2f},{species}\n"
    for species, length, width in (("setosa", 1.4, 0.2), ("virginica", 5.8, 2.2))
    for step in range(10)
)
_ENDED = ("succeeded", "failed", "cancelled")


def experiment(name: str, *, epochs: int, batch_size: int, **changes: Any) -> dict[str, Any]:
    """On wine, unscaled: such a run fails, and its repairs are soon tried."""
    return {
        "name": name,
        "dataset": {"name": "wine"},
        "model": {
            "layers": [
                {"type": "Dense", "units": 8, "activation": "relu"},
                {"type": "Dense", "units": 3, "activation": "softmax"},
            ]
        },
        "training": {
            "optimizer": {"type": "SGD", "learning_rate": 0.01, "momentum": 0.9},
            "loss": "categorical_crossentropy",
            "batch_size": batch_size,
            "epochs": epochs,
        },
        **changes,
    }


def long(name: str) -> dict[str, Any]:
    """One that can be met while it trains, and before all others."""
    return experiment(name, epochs=40, batch_size=1, priority=10)


SCALED = {"name": "wine", "scaling": "standard"}
SWEEP = {
    "base": experiment("sweep", epochs=4, batch_size=32, dataset=SCALED),
    "axes": {"/training/optimizer/learning_rate": {"low": 0.001, "high": 0.1, "log": True}},
    "method": "tpe",
    "samples": 8,
    "parallel": 2,
    "pruner": {"type": "MedianPruner", "n_startup_trials": 2},
    "budget": {"epochs": 1000},
}


class Old:
    """An earlier version, running."""

    def __init__(self, code: Path, folder: Path) -> None:
        self._code = code
        self._folder = folder
        self.port = services.free_port()
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PLATEAU_")
        } | {
            "PYTHONPATH": str(code),
            "PLATEAU_VAR_DIR": str(folder),
            "PLATEAU_PORT": str(self.port),
            "PLATEAU_CHECKPOINT_SECONDS": "0",
            "PLATEAU_LEASE_SECONDS": "900",
        }

    def migrate(self) -> None:
        command = [sys.executable, "-m", "migrations"]
        subprocess.run(command, check=True, cwd=self._code, env=self._environment)

    @contextmanager
    def running(self, module: str, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        with (
            (self._folder / f"{module}.log").open("ab") as log,
            subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=self._code,
                env=self._environment | more,
                stdout=log,
                stderr=log,
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()


class Client(httpx.Client):
    def made(self, path: str, body: Any) -> str:
        return str(self.post(path, json=body).raise_for_status().json()["id"])

    def job(self, id_: str) -> Any:
        return self.get(f"/v1/jobs/{id_}").raise_for_status().json()

    def wait_for_epoch(self, id_: str, epoch: int) -> None:
        processes.wait_for(f"epoch {epoch}", lambda: self.job(id_)["progress"]["epoch"] >= epoch)

    def wait_for_ended(self, count: int, **of: str) -> None:
        def enough() -> bool:
            found = self.get("/v1/jobs", params=of).raise_for_status().json()["data"]
            return sum(job["status"] in _ENDED for job in found) >= count

        processes.wait_for(f"{count} jobs of {of}", enough)

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            try:
                return self.get("/readyz").is_success
            except httpx.TransportError:
                return False

        processes.wait_for("the API", ready)


def play(old: Old, client: Client, revision: str) -> None:
    """Leave jobs of every kind behind, and no process."""
    more = {"signals": "on"} if revision >= "0003" else {}
    with old.running("worker", PLATEAU_SLOTS="2") as worker:
        ended = client.made("/v1/jobs", experiment("ended", epochs=5, batch_size=142, **more))
        processes.wait_for(ended, lambda: client.job(ended)["status"] == "succeeded")
        if revision >= "0004":
            client.post(f"/v1/jobs/{ended}/repairs").raise_for_status()
            client.wait_for_ended(1, parent=ended)
        if revision >= "0006":
            client.wait_for_ended(1, sweep=client.made("/v1/sweeps", SWEEP))
        running, cancelling = (
            client.made("/v1/jobs", long(name)) for name in ("running", "cancelling")
        )
        for id_ in (running, cancelling):
            client.wait_for_epoch(id_, 3)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    client.post(f"/v1/jobs/{cancelling}/cancel").raise_for_status()
    released = client.made("/v1/jobs", long("released"))
    with old.running("worker", PLATEAU_SLOTS="1") as worker:
        client.wait_for_epoch(released, 3)
        worker.send_signal(signal.SIGTERM)
        worker.wait()
    query = {"name": "flowers", "label": "species"}
    csv = {"Content-Type": "text/csv"}
    flowers = client.post("/v1/datasets", content=FLOWERS, headers=csv, params=query).json()["id"]
    for name, dataset in (("queued", "wine"), ("uploaded", flowers)):
        layers = {"model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]}}
        if dataset == flowers:
            layers = {"model": {"layers": [{"type": "Dense", "units": 2, "activation": "softmax"}]}}
        made = experiment(name, epochs=2, batch_size=32, dataset={"name": dataset}, **layers)
        client.made("/v1/jobs", made)


def rows(database: Path) -> dict[str, list[dict[str, Any]]]:
    with sqlite3.connect(database) as connection:
        connection.row_factory = sqlite3.Row
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')]
            for (name,) in names
            if name != "alembic_version"
        }


def keep(folder: Path, target: Path) -> None:
    """The rows, one a line, and the files of what was posted by itself."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    found = rows(next(folder.glob("*.sqlite3")))
    for worker in found["workers"]:
        worker["host"] = "host"
    for result in found["results"]:
        result["environment"] = json.dumps(
            json.loads(result["environment"]) | {"platform": "Linux"}
        )
    lines = [json.dumps([table, row]) for table, some in found.items() for row in some]
    (target / "rows.jsonl").write_text("\n".join(lines) + "\n")
    own = {job["id"] for job in found["jobs"] if not (job.get("parent_id") or job.get("sweep_id"))}
    for file in (folder / "artifacts").rglob("*"):
        relative = file.relative_to(folder)
        whole = file.is_file() and file.suffix != ".part"
        if whole and (relative.parts[1] != "jobs" or relative.parts[2] in own):
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target / relative)


def main() -> None:
    code, revision = Path(sys.argv[1]).resolve(), sys.argv[2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        old = Old(code, folder)
        old.migrate()
        with (
            old.running("api"),
            Client(base_url=f"http://127.0.0.1:{old.port}", timeout=30) as client,
        ):
            client.wait_until_ready()
            play(old, client, revision)
        keep(folder, HERE / revision)


if __name__ == "__main__":
    main()
