"""What one who asks can do to others: another owner's GET, POST and job, quiet and beside each.

`python -m benchmarks.neighbours [sqlite|postgres [ACT ...]]` starts an API that wants keys, and a
worker. For each way to be a nuisance, another process does it for SECONDS, while an owner who has
nothing to do with it gets a job of his, posts another, looks at /healthz and /readyz, and has one
small job after the other trained. It prints percentiles and times, and ends with 1 where p99 is
over P99_MS, or half of the jobs take more than RATIO times as long as in quiet.

The worker has two slots, and DISK_MB for its files where we may mount them (root, Linux); elsewhere
the job that is too big for them is left out. While a writer holds the lock no POST can be answered:
those times are printed, and not judged.
"""

import asyncio
import itertools
import multiprocessing
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx
import psycopg
from sqlalchemy import make_url

from contract.store.tables import Job
from tests import jobs, keyring, services
from tests.chaos.disk import NotPossible, small_disk
from tests.sites import DEFAULTS, Site, site_on

SECONDS = 10.0
LOCK_SECONDS = 8.0
PAUSE_SECONDS = 0.02
DISK_SECONDS, DISK_MB = 60.0, 300
P99_MS, RATIO = 500.0, 2.0
EPOCHS, _JOB_EPOCHS = 10_000, 100
_READS = ("GET", "/healthz", "/readyz")


@dataclass(frozen=True)
class Target:
    """What a nuisance knows: where the service is, a key of his own, and jobs of his own."""

    host: str
    port: int
    key: str
    database_url: str
    curve: str
    waiting: Sequence[str]

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@dataclass
class Seen:
    """Milliseconds by what was asked, answers that were no success, and seconds of small jobs."""

    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: int = 0
    jobs_seconds: list[float] = field(default_factory=list)

    @property
    def job_seconds(self) -> float:
        """Of the median job; NaN where none was taken."""
        return median(self.jobs_seconds) if self.jobs_seconds else float("nan")

    def p99(self, asked: str) -> float:
        return quantiles(self.milliseconds[asked], n=100, method="inclusive")[98]

    def __str__(self) -> str:
        told = [
            f"{asked} {median(times):.0f}/{self.p99(asked):.0f}"
            for asked, times in self.milliseconds.items()
        ]
        longest = max(self.jobs_seconds, default=float("nan"))
        return (
            f"{', '.join(told)} ms (p50/p99); {len(self.jobs_seconds)} jobs, "
            f"{self.job_seconds:.1f} s, longest {longest:.1f} s; {self.refused} refused"
        )


Act = Callable[[Target], Coroutine[Any, Any, None]]


async def _together(target: Target, asked: Sequence[tuple[str, str]], **more: Any) -> None:
    """All at once, again and again until the time is up, whatever is answered."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    headers = keyring.bearer(target.key)
    until = time.monotonic() + SECONDS
    async with httpx.AsyncClient(
        base_url=target.url, headers=headers, limits=limits, timeout=60
    ) as client:
        while time.monotonic() < until:
            each = (client.request(method, path, **more) for method, path in asked)
            await asyncio.gather(*each, return_exceptions=True)


async def _lock_and(target: Target, asked: Sequence[tuple[str, str]], **more: Any) -> None:
    with _locked(target.database_url):
        alongside = asyncio.create_task(_together(target, asked, **more))
        await asyncio.sleep(LOCK_SECONDS)
    await alongside


@contextmanager
def _locked(url: str) -> Iterator[None]:
    parts = make_url(url)
    if parts.get_backend_name() == "sqlite":
        connection = sqlite3.connect(str(parts.database), isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.close()
    else:
        plain = parts.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain) as locking:
            locking.execute("SET idle_in_transaction_session_timeout = 0")
            locking.execute("LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE")
            yield


async def cancels_behind_a_lock(target: Target) -> None:
    await _lock_and(target, [("POST", f"/v1/jobs/{job_id}/cancel") for job_id in target.waiting])


async def posts_behind_a_lock(target: Target) -> None:
    # None of them is trained: whose job comes first is another question.
    await _lock_and(target, [("POST", "/v1/jobs")] * 13, json=small("gpu"))


async def forty_pictures(target: Target) -> None:
    await _together(target, [("GET", f"/v1/jobs/{target.curve}/curves.png")] * 40)


async def a_hundred_pictures(target: Target) -> None:
    await _together(target, [("GET", f"/v1/jobs/{target.curve}/curves.png")] * 100)


async def a_hundred_curves(target: Target) -> None:
    await _together(target, [("GET", f"/v1/jobs/{target.curve}/curves")] * 100)


async def sixty_look_whether_it_is_ready(target: Target) -> None:
    await _together(target, [("GET", "/readyz")] * 60)


async def unknown_keys(target: Target) -> None:
    headers = keyring.bearer("plateau_01M843EV5QKTKKYXZ8CHTAMFR2_" + "x" * 43)
    await _together(target, [("GET", "/v1/jobs")] * 50, headers=headers)


async def who_does_not_read(target: Target) -> None:
    """200 connections with ten requests for the largest answer there is, and not a byte read."""
    one = f"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: {target.host}:{target.port}\r\n\r\n"
    held = []
    for _ in range(200):
        reader, writer = await asyncio.open_connection(target.host, target.port, limit=1)
        writer.write(one.encode() * 10)
        held.append((reader, writer))
    await asyncio.sleep(SECONDS)
    for _, writer in held:
        writer.close()


async def sixteen_slow_uploads(target: Target) -> None:
    head = (
        f"POST /v1/datasets?name=slow HTTP/1.1\r\nHost: {target.host}:{target.port}\r\n"
        f"Authorization: Bearer {target.key}\r\nContent-Type: text/csv\r\n"
        "Content-Length: 100000000\r\n\r\n"
    )
    held = []
    for _ in range(16):
        _, writer = await asyncio.open_connection(target.host, target.port)
        writer.write(head.encode())
        held.append(writer)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        for writer in held:
            writer.write(b"1" * 60)
        await asyncio.sleep(0.1)


async def more_work_than_is_allowed(target: Target) -> None:
    """Convolutions of 1e20 FLOPs in all, which are within every budget but that one."""
    convolution = {"type": "Conv2D", "filters": 512, "kernel_size": 3, "padding": "same"}
    layers = [convolution] * 16 + [{"type": "Flatten"}, {"type": "Dense", "units": 10}]
    spec = small("cpu") | {"dataset": {"name": "cifar10"}, "model": {"layers": layers}}
    spec["training"]["epochs"] = EPOCHS
    await _together(target, [("POST", "/v1/jobs")] * 20, json=spec)


async def a_job_too_big_for_the_disk(target: Target) -> None:
    """48 million parameters and Adam: a checkpoint has 570 MB. Tried again and again."""
    layers = [
        {"type": "Flatten"},
        {"type": "Dense", "units": 60_000},
        {"type": "Dense", "units": 10},
    ]
    spec = small("cpu") | {"model": {"layers": layers}}
    spec["dataset"]["limit"] = 100
    spec["training"]["optimizer"] = {"type": "Adam"}
    until = time.monotonic() + DISK_SECONDS
    async with httpx.AsyncClient(
        base_url=target.url, headers=keyring.bearer(target.key), timeout=60
    ) as client:
        posted = (await client.post("/v1/jobs", json=spec)).raise_for_status()
        job: dict[str, Any] = posted.json()
        while not job["terminal"] and time.monotonic() < until:
            await asyncio.sleep(0.5)
            job = (await client.get(f"/v1/jobs/{job['id']}")).raise_for_status().json()
        print(f"the big job: {job['status']}, {job['queue'] or job['error']}", flush=True)


ACTS: Sequence[Act] = (
    cancels_behind_a_lock,
    posts_behind_a_lock,
    forty_pictures,
    a_hundred_pictures,
    a_hundred_curves,
    who_does_not_read,
    sixteen_slow_uploads,
    sixty_look_whether_it_is_ready,
    unknown_keys,
    more_work_than_is_allowed,
    a_job_too_big_for_the_disk,
)
_LOCKS = (cancels_behind_a_lock, posts_behind_a_lock)


def act(name: str, target: Target) -> None:
    """What the other process does."""
    asyncio.run({each.__name__: each for each in ACTS}[name](target))


def small(device: str) -> dict[str, Any]:
    """A job of a second or two; for "gpu" there is no worker, and it waits."""
    spec = jobs.experiment(device=device).model_dump(mode="json", exclude_unset=True)
    spec["training"]["epochs"] = _JOB_EPOCHS
    return spec


def seen_beside(client: httpx.Client, own: str, busy: Callable[[], bool]) -> Seen:
    """What an owner sees while others are `busy`."""
    seen = Seen()
    asked = {
        "GET": lambda: client.get(f"/v1/jobs/{own}"),
        "POST": lambda: client.post("/v1/jobs", json=small("gpu")),
        "/healthz": lambda: client.get("/healthz"),
        "/readyz": lambda: client.get("/readyz"),
    }
    with ThreadPoolExecutor(1) as trains:
        trained = trains.submit(_train_while, client, busy)
        for name in itertools.cycle(asked):
            if trained.done():
                break
            began = time.perf_counter()
            answer = asked[name]()
            seen.milliseconds[name].append(1000 * (time.perf_counter() - began))
            seen.refused += answer.status_code >= 400
            time.sleep(PAUSE_SECONDS)
        seen.jobs_seconds = trained.result()
    return seen


def _train_while(client: httpx.Client, busy: Callable[[], bool]) -> list[float]:
    """Seconds of the jobs that were taken; behind a lock none is."""
    seconds = []
    while busy():
        if (taken := _train(client)) is not None:
            seconds.append(taken)
    return seconds


def _train(client: httpx.Client) -> float | None:
    began = time.monotonic()
    answer = client.post("/v1/jobs", json=small("cpu"))
    if answer.status_code != 202:
        return None
    path = answer.headers["location"]
    while not client.get(path, params={"wait": 5, "fields": "terminal"}).json()["terminal"]:
        pass
    return time.monotonic() - began


def faults(name: str, seen: Seen, quiet: Seen, *, behind_a_lock: bool) -> Iterator[str]:
    for asked in _READS if behind_a_lock else (*_READS, "POST"):
        if seen.p99(asked) > P99_MS:
            yield f"{name}: p99 of {asked} is {seen.p99(asked):.0f} ms"
    if not behind_a_lock and seen.job_seconds > RATIO * quiet.job_seconds:
        yield f"{name}: a job takes {seen.job_seconds:.1f} s, {quiet.job_seconds:.1f} in quiet"


def measured(site: Site, acts: Sequence[str]) -> Iterator[str]:
    """Prints what is seen; yields what is not as it should be."""
    keys = {owner: keyring.make_in(site.database, owner)[1] for owner in ("me", "you")}
    own = jobs.submit(site.database, "you", device="gpu")
    waiting = [jobs.submit(site.database, "me", device="gpu") for _ in range(20)]
    long = jobs.long_curve(site.database, EPOCHS, owner="me", device="cpu")
    with site.database.writing() as session:  # its worker is silent: nobody is to train it again
        session.get_one(Job, long).device = "gpu"
    with site.worker(), site.api() as client:
        client.headers.update(keyring.bearer(keys["you"]))
        for _ in range(4):  # what is loaded with the first jobs is not the service's to answer for
            _train(client)
        until = time.monotonic() + SECONDS
        quiet = seen_beside(client, own, lambda: time.monotonic() < until)
        print(f"{'quiet':32} {quiet}", flush=True)
        host, port = client.base_url.host, client.base_url.port
        assert port is not None
        url = site.environment["PLATEAU_DATABASE_URL"]
        target = Target(host, port, keys["me"], url, long, waiting)
        for each in [each for each in ACTS if each.__name__ in acts]:
            name = each.__name__
            process = multiprocessing.get_context("spawn").Process(target=act, args=(name, target))
            process.start()
            seen = seen_beside(client, own, process.is_alive)
            process.join()
            print(f"{name:32} {seen}", flush=True)
            yield from faults(name, seen, quiet, behind_a_lock=each in _LOCKS)


def main() -> None:
    kind = sys.argv[1] if len(sys.argv) > 1 else "sqlite"
    environment: Mapping[str, str] = {**DEFAULTS, "PLATEAU_SLOTS": "2", "PLATEAU_AUTH": "keys"}
    # Those of the owner who looks, not a nuisance's, would reach these limits first.
    limits = {"PLATEAU_REQUESTS_PER_SECOND": "100", "PLATEAU_MAX_QUEUED_JOBS": "100000"}
    environment = {**environment, **limits}
    chosen = sys.argv[2:] or [each.__name__ for each in ACTS]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        try:
            stack.enter_context(small_disk(Path(name) / "var", DISK_MB))
        except NotPossible as reason:
            print(reason)
            chosen = [name for name in chosen if name != a_job_too_big_for_the_disk.__name__]
        url = f"sqlite:///{name}/plateau.db"
        if kind == "postgres":
            server = stack.enter_context(services.running_postgres())
            url = stack.enter_context(services.fresh_database(server, "neighbours"))
        site = stack.enter_context(site_on(url, "memory://", Path(name), **environment))
        found = list(measured(site, chosen))
    print("\n".join(found) or "nobody was kept waiting")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
