"""A thousand bodies that mean no good: each refused or accepted soon, and the worker unharmed."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from contract.experiment.spec import Experiment
from tests import jobs
from tests.hostile_specs import bodies, models
from tests.sites import FAKE, Site, site_on

BODIES = 1_000
MAX_MILLISECONDS = 100
MEDIAN_MILLISECONDS = 20
# What a machine that does other things too may take longer.
PATIENCE = 3
JSON = {"Content-Type": "application/json"}
TRAINED = 40


@dataclass
class Asked:
    """What was answered, and after how many milliseconds."""

    client: httpx.Client
    statuses: list[int] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    accepted: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, body: bytes) -> httpx.Response:
        answer, taken = self._timed(body)
        if taken > MAX_MILLISECONDS:  # once more, before the machine's other work is blamed on it
            taken = min(taken, self._timed(body)[1])
        self.statuses.append(answer.status_code)
        self.milliseconds.append(taken)
        if answer.status_code == 202:
            self.accepted.append(answer.json())
        else:
            assert 400 <= answer.status_code < 500, (body[:1000], answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
        return answer

    def _timed(self, body: bytes) -> tuple[httpx.Response, float]:
        began = time.perf_counter()
        headers = {**JSON, "Content-Length": str(len(body))}
        answer = self.client.post("/v1/jobs", content=_pieces(body), headers=headers)
        return answer, (time.perf_counter() - began) * 1000

    def __str__(self) -> str:
        cuts = quantiles(self.milliseconds, n=100)
        counts = {status: self.statuses.count(status) for status in sorted(set(self.statuses))}
        return (
            f"{len(self.statuses):,} bodies: median {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, "
            f"max {max(self.milliseconds):.1f} ms; by status {counts}"
        )


def _pieces(body: bytes, size: int = 1 << 16) -> Iterator[bytes]:
    """httpx copies what is left of a piece at each send: of 120 MB whole, that takes a second."""
    return (body[start : start + size] for start in range(0, len(body), size))


def drawn(ask: Callable[[bytes], object]) -> None:
    """Draw all the bodies. One that fails is not made smaller: what failed may be its time."""

    @settings(
        max_examples=BODIES,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(body=bodies())
    def each(body: bytes) -> None:
        ask(body)

    each()


def test_each_is_answered_soon(database_url: str, tmp_path: Path) -> None:
    with (
        site_on(database_url, "memory://", tmp_path, **FAKE) as site,
        site.api() as client,
        site.worker() as worker,
    ):
        asked = Asked(client)
        drawn(asked.ask)
        print(asked)
        assert len(asked.statuses) >= BODIES
        assert asked.accepted
        assert max(asked.milliseconds) < PATIENCE * MAX_MILLISECONDS, str(asked)
        assert sorted(asked.milliseconds)[BODIES // 2] < PATIENCE * MEDIAN_MILLISECONDS, str(asked)
        for job in asked.accepted:
            client.post(job["urls"]["cancel"])
        assert worker.process.poll() is None
        good = site.submit(jobs.experiment().model_dump(exclude_unset=True))
        assert site.wait_for_end(good)[0].status == "succeeded"


def test_a_model_that_cannot_be_is_refused_with_a_pointer(sqlite_url: str, tmp_path: Path) -> None:
    with site_on(sqlite_url, "memory://", tmp_path) as site, site.api() as client:
        asked = Asked(client)

        @settings(
            max_examples=BODIES,
            phases=[Phase.generate],
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(model=models())
        def each(model: dict[str, Any]) -> None:
            answer = asked.ask(json.dumps(model).encode())
            assert answer.status_code in (400, 422), (str(model)[:1000], answer.text)
            assert answer.json()["detail"].startswith("/model"), answer.text[:2000]

        each()
        print(asked)
        assert max(asked.milliseconds) < PATIENCE * MAX_MILLISECONDS, str(asked)
        assert client.get("/v1/jobs").json()["data"] == []


@pytest.mark.slow
def test_keras_builds_what_was_accepted(sqlite_url: str, tmp_path: Path) -> None:
    """One epoch each, of those that are small, in a real trainer."""
    with site_on(sqlite_url, "memory://", tmp_path) as site, site.api() as client:
        asked = Asked(client)
        drawn(asked.ask)
        chosen = [small for job in asked.accepted if (small := shortened(job["spec"]))][:TRAINED]
        for job in asked.accepted:
            client.post(job["urls"]["cancel"])
        with site.worker() as worker:
            trained(site, chosen)
            assert worker.process.poll() is None


def shortened(spec: dict[str, Any]) -> dict[str, Any] | None:
    """Of a spec with few layers: one epoch of few examples, on whatever there is."""
    if len(spec["model"]["layers"]) > 20:
        return None
    return {
        **spec,
        "dataset": {**spec["dataset"], "limit": 40},
        "training": {**spec["training"], "epochs": 1},
        "device": "any",
    }


def trained(site: Site, specs: list[dict[str, Any]]) -> None:
    ids = [site.submit(spec) for spec in specs]
    ended = site.wait_for_end(*ids)
    print(f"{len(ended)} trained: {json.dumps([job.status for job in ended])}")
    assert [(job.error, job.spec) for job in ended if job.status != "succeeded"] == []


def test_the_specs_are_hostile_and_yet_experiments_at_times() -> None:
    valid = []

    def ask(body: bytes) -> None:
        try:
            valid.append(bool(Experiment.model_validate_json(body)))
        except ValueError:
            valid.append(False)

    drawn(ask)
    assert 0.02 < sum(valid) / len(valid) < 0.5
