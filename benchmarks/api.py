"""What a request to the API costs, beside MLflow's tracking server and a bare FastAPI app.

`python -m benchmarks.api` starts each server ROUNDS times in turn, measures its start and the
memory of all its processes, and lets CLIENTS clients create and read for SECONDS each: a job that
has ended, and one that waits among all others, while nothing else is committed. It prints
medians with their range, and ratios to MLflow's. MLflow lies in an environment of its own, which
`make rivals` makes. Linux only.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from benchmarks.load import CLIENTS, get, measured, post
from migrations.upgrade import upgrade
from tests import processes, services

ROUNDS = 5
SECONDS = 3.0
ROOT = Path(__file__).parents[1]
RIVALS = ROOT / ".venv-mlflow" / "bin"
START_SECONDS, STOP_SECONDS = 120.0, 5.0
MLFLOW = "MLflow"
# What the API has to reach of MLflow's figures: at least, and of memory at most.
WANTED = {"creates /s": 8.0, "reads /s": 15.0, "memory, MB": 0.1}

Table = dict[str, list[float]]


@dataclass(frozen=True)
class Contender:
    """A server: how its processes are started, one a port, and what it is asked."""

    name: str
    commands: Callable[[int], Sequence[str]]
    environment: Mapping[str, str]
    ready: str
    create: tuple[str, dict[str, Any]]
    read: Callable[[dict[str, Any]], str]
    created: int = 200
    processes: int = 1
    cancel: Callable[[dict[str, Any]], str] | None = None


def plateau(name: str, url: str, folder: Path, *, count: int = 1) -> Contender:
    upgrade(url)
    recipe = json.loads((ROOT / "recipes" / "relu-raw.json").read_text())
    return Contender(
        name,
        lambda port: ("env", f"PLATEAU_PORT={port}", sys.executable, "-m", "api"),
        {
            "PLATEAU_DATABASE_URL": url,
            "PLATEAU_VAR_DIR": str(folder / "var"),
            "PLATEAU_LOG_LEVEL": "WARNING",
        },
        "/readyz",
        ("/v1/jobs", recipe),
        lambda job: str(job["urls"]["self"]),
        created=202,
        processes=count,
        cancel=lambda job: str(job["urls"]["cancel"]),
    )


def bare(folder: Path) -> Contender:
    file = str(folder / "bare.sqlite3")
    recipe = json.loads((ROOT / "recipes" / "relu-raw.json").read_text())
    return Contender(
        "bare FastAPI + SQLModel",
        lambda port: (sys.executable, "-m", "benchmarks.bare", file, str(port)),
        {},
        "/docs",
        ("/jobs", recipe),
        lambda job: f"/jobs/{job['id']}",
        created=202,
    )


def mlflow(folder: Path) -> Contender:
    place = f"sqlite:///{folder / 'mlflow.sqlite3'}"
    files = str(folder / "mlruns")
    options = ("--backend-store-uri", place, "--default-artifact-root", files)
    run = {"experiment_id": "0", "run_name": "relu-raw", "start_time": 1_763_900_000_000}
    return Contender(
        MLFLOW,
        lambda port: (str(RIVALS / "mlflow"), "server", *options, "--port", str(port)),
        {"PATH": f"{RIVALS}:{os.environ['PATH']}"},
        "/health",
        ("/api/2.0/mlflow/runs/create", run),
        lambda run: f"/api/2.0/mlflow/runs/get?run_id={run['run']['info']['run_id']}",
    )


@contextmanager
def running(contender: Contender) -> Iterator[tuple[list[int], list[int], float]]:
    """The ports and process ids, and the seconds until all answer."""
    ports = [services.free_port() for _ in range(contender.processes)]
    environment = {**os.environ, **contender.environment}
    began = time.perf_counter()
    with ExitStack() as stack:
        started = []
        for port in ports:
            process = subprocess.Popen(
                contender.commands(port),
                cwd=ROOT,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            stack.callback(end, process)
            started.append(process)
        for port, process in zip(ports, started, strict=True):
            wait_for_answer(contender, process, port)
        yield ports, [process.pid for process in started], time.perf_counter() - began


def end(process: subprocess.Popen[bytes]) -> None:
    """With all that it started: MLflow's own workers outlive its first process."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, number)
            process.wait(STOP_SECONDS)
    process.wait()


def wait_for_answer(contender: Contender, process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"{contender.name} ended while it was starting")
        try:
            if httpx.get(f"http://127.0.0.1:{port}{contender.ready}", timeout=10).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    raise SystemExit(f"{contender.name} did not answer within {START_SECONDS:.0f} s")


def tree(pid: int) -> Iterator[int]:
    """A process and all that descend from it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from tree(int(child))


def megabytes(pid: int) -> float:
    """The process's share of memory (PSS): what several have in common counts once in all."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1000
    raise RuntimeError(f"/proc/{pid}/smaps_rollup does not tell Pss")


def measure(contender: Contender, found: Table) -> None:
    path, body = contender.create
    with running(contender) as (ports, pids, seconds):
        members = [member for pid in pids for member in tree(pid)]
        found["processes"].append(len(members))
        found["start, s"].append(seconds)
        found["memory, MB"].append(sum(map(megabytes, members)))
        with httpx.Client(base_url=f"http://127.0.0.1:{ports[0]}", timeout=30) as client:
            created = client.post(path, json=body)
            if created.status_code != contender.created:
                raise SystemExit(f"{contender.name} answered a POST with {created.text}")
            load = partial(_load, found, ports, pids)
            load("creates", post(path, json.dumps(body).encode()), contender.created)
            url = contender.read(created.json())
            if contender.cancel is not None:
                load("reads in the queue", get(url))
                client.post(contender.cancel(created.json())).raise_for_status()
            load("reads", get(url))
            if (tag := client.get(url).headers.get("etag")) is not None:
                load("304s", get(url, f"If-None-Match: {tag}"), 304)


def _load(
    found: Table,
    ports: Sequence[int],
    pids: Sequence[int],
    what: str,
    request: bytes,
    status: int = 200,
) -> None:
    measured(ports, [request], SECONDS / 4, status)  # warms up
    members = [member for pid in pids for member in tree(pid)]
    before = sum(map(processes.processor_seconds, members))
    load = measured(ports, [request], SECONDS, status)
    spent = sum(map(processes.processor_seconds, members)) - before
    found[f"{what} /s"].append(load.per_second)
    found[f"{what}, p99 ms"].append(load.p99)
    found[f"{what}, CPU ms"].append(1000 * spent / (load.per_second * SECONDS))


def report(results: Mapping[str, Table]) -> None:
    for name, table in results.items():
        print(f"\n{name}")
        for what, values in table.items():
            spread = f"({min(values):,.2f} - {max(values):,.2f})"
            line = f"  {what:26} {median(values):12,.2f}  {spread:24}"
            theirs = results[MLFLOW].get(what)
            print(line + (f" x {median(values) / median(theirs):.2f}" if theirs else ""))


def reached(ours: Table, theirs: Table) -> bool:
    ratios = {what: median(ours[what]) / median(theirs[what]) for what in WANTED}
    return all(
        ratios[what] <= wanted if wanted < 1 else ratios[what] >= wanted
        for what, wanted in WANTED.items()
    )


def main() -> int:
    if not (RIVALS / "mlflow").exists():
        raise SystemExit("MLflow is not there to compare with: make rivals")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(services.running_postgres(durable=True))
        postgres = stack.enter_context(services.fresh_database(server, "benchmark"))
        ours = plateau("Plateau, SQLite", f"sqlite:///{folder / 'jobs.sqlite3'}", folder)
        contenders = [
            ours,
            plateau("Plateau, Postgres, two processes", postgres, folder, count=2),
            bare(folder),
            mlflow(folder),
        ]
        print(f"{ROUNDS} rounds, {CLIENTS} clients, {SECONDS:g} s each; x: ratio to {MLFLOW}")
        with running(contenders[-1]):
            pass  # its first start makes its tables, which is not to be measured
        results: dict[str, Table] = {each.name: defaultdict(list) for each in contenders}
        for number in range(ROUNDS):
            for contender in contenders:
                measure(contender, results[contender.name])
            print(f"round {number + 1} done", file=sys.stderr, flush=True)
        report(results)
        return 0 if reached(results[ours.name], results[MLFLOW]) else 1


if __name__ == "__main__":
    sys.exit(main())
