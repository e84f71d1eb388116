"""Memory: an API and a worker do not grow with the jobs that they have seen."""

import httpx

from tests import processes
from tests.chaos.judge import Expected, judge
from tests.chaos.keeper import Kept
from tests.chaos.outcome import Outcome
from tests.chaos.stage import Stage, experiment

MOST_GROWTH = 1.10
AT_ONCE = 20


def run(stage: Stage, count: int) -> Outcome:
    """Resident memory after `count` jobs, and after a tenth of them."""
    outcome = Outcome(0)
    job_ids: list[str] = []
    with stage.keeper() as keeper:
        [worker] = keeper.workers(1, PLATEAU_FAKE_EPOCH_SECONDS="0.005")
        api, url = keeper.api()
        sizes = []
        for target in (count // 10, count):
            while len(job_ids) < target:
                job_ids += _batch(stage, url)
            sizes.append([_megabytes(each) for each in (api, worker)])
    outcome.found(judge(stage.site, dict.fromkeys(job_ids, Expected())))
    grown = list(zip(("API", "worker"), *sizes, strict=True))
    outcome.measured = ", ".join(f"{name} {a:.1f} to {b:.1f} MB" for name, a, b in grown)
    for name, before, after in grown:
        if after > MOST_GROWTH * before:
            outcome.wrong.append(f"the {name} grew from {before:.1f} to {after:.1f} MB")
    return outcome


def _batch(stage: Stage, url: httpx.URL) -> list[str]:
    """Jobs that have been posted, watched and trained."""
    with httpx.Client(base_url=url, timeout=30) as client:
        bodies = [experiment("one of many", epochs=1)] * AT_ONCE
        job_ids = [str(client.post("/v1/jobs", json=body).json()["id"]) for body in bodies]
        stage.wait_for("a batch", *job_ids)
        for job_id in job_ids:
            client.get(f"/v1/jobs/{job_id}/results").raise_for_status()
    return job_ids


def _megabytes(kept: Kept) -> float:
    return processes.resident_megabytes(kept.process.pid)
