"""`python -m benchmarks.jobs [--rounds 5] [PART...]`: jobs, against scripts and Celery.

Starts a service of its own with two slots, on SQLite, embedded or with Redis, and lets it and the
rivals take turns. Needs mnist.npz in PLATEAU_DATA_DIR. Processor seconds are those of all processes
that took part: on a machine that is not idle they say more than the clock.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np

from contract.experiment.datasets import Dataset, facts_of
from contract.settings import read_settings
from scripts.local import base_url, running
from tests import services
from worker.training.data.load import load

ROOT = Path(__file__).parents[2]
SLOTS = 2
TITLES = {
    "one": "relu-unit on MNIST, 15 epochs",
    "eight": "eight of them",
    "sweep": "32 replicas on digits, 60 epochs",
}
PARTS = (*TITLES, "latency")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock, and of the processor."""

    clock: float
    processor: float


Ways = dict[str, Callable[[], Cost]]


def children_seconds(pid: int) -> float:
    """The processor's time of a process and of all that it started, those that ended included."""
    seconds = 0.0
    for number in [pid, *_descendants(pid)]:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        seconds += sum(map(int, fields[11:15])) / _TICKS
    return seconds


def _descendants(pid: int) -> Iterator[int]:
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listing.read_text().split()):
            yield child
            yield from _descendants(child)


def timed(action: Callable[[], object]) -> Cost:
    """What `action` takes of us and of all our children."""
    began, used = time.perf_counter(), children_seconds(os.getpid())
    action()
    return Cost(time.perf_counter() - began, children_seconds(os.getpid()) - used)


def script(file: Path, epochs: int) -> None:
    command = [sys.executable, "benchmarks/script.py", str(file), str(epochs)]
    subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True,
        capture_output=True,
    )


class Service:
    """A running Plateau, and what is asked of it."""

    def __init__(self, client: httpx.Client, broker: str) -> None:
        self._client = client
        self.broker = broker

    def post(self, dataset: str, epochs: int, seed: int) -> str:
        spec = json.loads((ROOT / "recipes" / "relu-unit.json").read_text())
        spec["dataset"]["name"] = dataset
        spec["training"] |= {"epochs": epochs, "seed": seed}
        answer = self._client.post("/v1/jobs", json=spec)
        answer.raise_for_status()
        return str(answer.json()["id"])

    def wait(self, job_id: str) -> dict[str, Any]:
        while True:
            job: dict[str, Any] = self._client.get(f"/v1/jobs/{job_id}?wait=30").json()
            if job["terminal"]:
                assert job["status"] == "succeeded", job
                return job

    def jobs(self, dataset: str, epochs: int, count: int) -> None:
        for job_id in [self.post(dataset, epochs, seed) for seed in range(count)]:
            self.wait(job_id)

    def latencies(self) -> tuple[float, float]:
        """Milliseconds from POST to the first step, and from training to the visible result.

        The second is all that is left of the time: final metrics, files, the transaction with
        its diagnosis, and the answer. One epoch, because what is between epochs is neither.
        Server and client have one clock.
        """
        began = time.time()
        job_id = self.post("digits", 1, 0)
        while not (job := self._client.get(f"/v1/jobs/{job_id}").json())["terminal"]:
            time.sleep(0.002)
        timing = self._client.get(f"/v1/jobs/{job_id}/results").raise_for_status().json()["timing"]
        seen = time.time()
        created = datetime.fromisoformat(job["created_at"]).timestamp()
        first = created + sum(timing[f"{part}_seconds"] for part in ("queued", "load", "compile"))
        return 1000 * (first - began), 1000 * (seen - first - timing["train_seconds"])


@contextmanager
def service(folder: Path, broker_url: str) -> Iterator[Service]:
    """Two warm slots: each has trained both data sets."""
    folder.mkdir()
    os.environ |= {
        "PLATEAU_VAR_DIR": str(folder),
        "PLATEAU_DATABASE_URL": f"sqlite:///{folder}/plateau.sqlite3",
        "PLATEAU_BROKER_URL": broker_url,
        "PLATEAU_PORT": str(services.free_port()),
        "PLATEAU_SLOTS": str(SLOTS),
    }
    settings = read_settings()
    with (
        running(settings, folder / "log"),
        httpx.Client(base_url=base_url(settings), timeout=60) as client,
    ):
        found = Service(client, broker_url.partition(":")[0])
        for dataset in ("mnist", "digits"):
            found.jobs(dataset, 3, 3 * SLOTS)
        yield found


@contextmanager
def plain_celery(url: str, folder: Path, file: Path) -> Iterator[Callable[[int], None]]:
    """Trains MNIST so many times in two processes that have TensorFlow loaded."""
    os.environ["BENCHMARK_REDIS_URL"] = url
    from benchmarks.jobs.plain_celery import fit

    command = [sys.executable, "-m", "celery", "-A", "benchmarks.jobs.plain_celery", "worker"]
    with (folder / "celery.log").open("wb") as log:
        worker = subprocess.Popen(
            [*command, f"--concurrency={SLOTS}", "--prefetch-multiplier=1"],
            cwd=ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=log,
            stderr=log,
        )

    def run(count: int, epochs: int = 15) -> None:
        for result in [fit.delay(str(file), epochs, seed) for seed in range(count)]:
            result.get(timeout=3600, disable_sync_subtasks=False)

    try:
        run(2 * SLOTS, epochs=1)
        yield run
    finally:
        worker.terminate()
        worker.wait()


def take_turns(ways: Ways, rounds: int) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            costs[name].append(way())
    return costs


def many(run: Cost, times: int) -> Cost:
    """A row of them costs `times` as much."""
    return Cost(run.clock * times, run.processor * times)


def compare(parts: Sequence[str], folder: Path, rounds: int) -> None:
    mnist, digits = read_settings().data_dir / "mnist.npz", folder / "digits.npz"
    if not mnist.exists():
        raise SystemExit(f"{mnist} is needed: PLATEAU_DATA_DIR names its folder")
    arrays = load(Dataset(name="digits"), facts_of("digits"), folder)
    np.savez(digits, allow_pickle=False, **arrays.by_name())
    with (
        services.running_redis(folder) as redis,
        service(folder / "redis", redis.url.removesuffix("0") + "1") as plateau,
        plain_celery(redis.url, folder, mnist) as celery,
    ):
        one: Ways = {
            "the script": lambda: timed(lambda: script(mnist, 15)),
            "a warm job": lambda: timed(lambda: plateau.jobs("mnist", 15, 1)),
            "a plain Celery task": lambda: timed(lambda: celery(1)),
        }
        eight: Ways = {
            "8 scripts in a row": lambda: many(timed(lambda: script(mnist, 15)), 8),
            "8 jobs, 2 slots": lambda: timed(lambda: plateau.jobs("mnist", 15, 8)),
            "8 Celery tasks, 2 processes": lambda: timed(lambda: celery(8)),
        }
        sweep: Ways = {
            "32 scripts in a row": lambda: many(timed(lambda: script(digits, 60)), 32),
            "32 replicas, 2 slots": lambda: timed(lambda: plateau.jobs("digits", 60, 32)),
        }
        for part, ways in {"one": one, "eight": eight, "sweep": sweep}.items():
            if part in parts:
                show(TITLES[part], take_turns(ways, rounds))
        if "latency" in parts:
            show_latencies(plateau)
    if "latency" in parts:
        with service(folder / "embedded", "memory://") as plateau:
            show_latencies(plateau)


def show(title: str, costs: dict[str, list[Cost]]) -> None:
    """Ratios to the first."""
    base = next(iter(costs.values()))
    print(f"\n{title}\n{'':30} {'clock':>8} {'/':>6} {'processor':>10} {'/':>6}  (least to most)")
    for name, runs in costs.items():
        told = ""
        for of in ("clock", "processor"):
            value, reference = (median(getattr(run, of) for run in side) for side in (runs, base))
            told += f" {value:9.2f} {value / reference:6.3f}"
        used = [run.processor for run in runs]
        print(f"{name:30}{told}  ({min(used):.2f} to {max(used):.2f})", flush=True)


def show_latencies(plateau: Service, jobs: int = 25) -> None:
    found = [plateau.latencies() for _ in range(jobs)]
    print(f"\n{plateau.broker}, median of {jobs} warm jobs on digits, ms (least to most)")
    for number, name in enumerate(("POST to first step", "training to result")):
        values = [pair[number] for pair in found]
        print(f"{name:20} {median(values):7.1f}  ({min(values):.1f} to {max(values):.1f})")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as folder:
        compare(arguments.parts or PARTS, Path(folder), arguments.rounds)


if __name__ == "__main__":
    main()
