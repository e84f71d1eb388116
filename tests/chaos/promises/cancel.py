"""Cancel sticks: what the API said became of a job is what became of it."""

import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests import processes
from tests.chaos.judge import Expected, Hit, judge, recoveries, time_now
from tests.chaos.keeper import Keeper, Kept, answers
from tests.chaos.outcome import Outcome
from tests.chaos.schedule import Fault, schedule
from tests.chaos.stage import Stage

RACERS = 4
RACES_PER_RESTART = 25
EPOCHS = 3
LIMIT_SECONDS = 60.0
STUCK = Expected(frozenset({"cancelled"}))


def run(stage: Stage, races: int) -> Outcome:
    """Cancels race against jobs that are about to finish; then everything is killed after some."""
    with stage.keeper() as keeper:
        workers = keeper.workers(2)
        api, url = keeper.api()
        faults = schedule(stage.seed, ["race"], races, lasts=(0.0, 0.2))
        with ThreadPoolExecutor(RACERS) as racers:
            told = dict(racers.map(lambda fault: _race(stage, url, fault), faults))
        stage.wait_for("the races to end", *told)
        restarts = max(1, races // RACES_PER_RESTART)
        hits = [_restart(stage, keeper, [api, *workers], url) for _ in range(restarts)]
        survivors = {job_id: STUCK for hit in hits for job_id in hit.job_ids}
    outcome = Outcome(races + restarts).found(judge(stage.site, told | survivors))
    return outcome.recovering(
        recoveries(stage.site.database, hits), of=restarts, limit=LIMIT_SECONDS
    )


def _race(stage: Stage, url: httpx.URL, fault: Fault) -> tuple[str, Expected]:
    """Ask for an end at any moment of a short run; what must then become of it."""
    job_id = stage.submit(int(fault.at * 1e6), epochs=EPOCHS)
    processes.wait_for(f"{job_id} to run", lambda: stage.site.job(job_id).attempts > 0)
    time.sleep(fault.lasts)
    answer = _cancel(url, job_id)
    if answer.status_code == 409:
        return job_id, Expected()
    assert answer.json()["status"] in ("cancelling", "cancelled"), answer.text
    return job_id, STUCK


def _restart(stage: Stage, keeper: Keeper, everything: Sequence[Kept], url: httpx.URL) -> Hit:
    """Kill all that runs just after it was said that jobs will be cancelled."""
    running = [stage.submit(number, epochs=10_000) for number in range(4)]
    queued = [stage.submit(number, epochs=10_000) for number in range(2)]
    for job_id in running:
        stage.site.wait_for_epoch(job_id, 1)
    at = time_now(stage.site.database)
    for job_id in running + queued:
        assert _cancel(url, job_id).status_code == 200
    for kept in everything:
        kept.send(signal.SIGKILL)
    stage.wait_for("the jobs to be cancelled", *running, *queued)
    processes.wait_for("the API to be back", lambda: answers(url))
    keeper.wait_until_ready()
    return Hit(running, at)


def _cancel(url: httpx.URL, job_id: str) -> httpx.Response:
    return httpx.post(url.join(f"/v1/jobs/{job_id}/cancel"), timeout=30)
