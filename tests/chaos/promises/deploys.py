"""Deploys are safe: a worker that is told to go leaves soon, and its jobs are none the worse."""

import signal
import time
from collections.abc import Sequence

from tests import jobs
from tests.chaos.judge import Hit, judge, recoveries, running, time_now
from tests.chaos.keeper import Keeper, Kept
from tests.chaos.load import Load
from tests.chaos.outcome import Outcome
from tests.chaos.schedule import schedule
from tests.chaos.stage import Stage

WORKERS = 2
EPOCHS = 20
EXIT_SECONDS = 60.0
LIMIT_SECONDS = 60.0


def run(stage: Stage, deploys: int) -> Outcome:
    """Workers are restarted by SIGTERM, at any moment of their work."""
    outcome = Outcome(deploys)
    with stage.keeper() as keeper:
        workers = keeper.workers(WORKERS, PLATEAU_FAKE_EPOCH_SECONDS="0.1")
        load = Load(stage, count=max(4, 2 * deploys), epochs=EPOCHS)
        load.start()
        hits = []
        for fault in schedule(stage.seed, ["deploy"], deploys):
            load.wait_until_due(fault)
            hits.append(_deploy(stage, keeper, fault.of(workers), outcome))
        load.wait_for_end()
    outcome.found(judge(stage.site, load.expected()))
    outcome.wrong += _crashes(stage, load.job_ids)
    found = recoveries(stage.site.database, hits)
    return outcome.recovering(found, of=deploys, limit=LIMIT_SECONDS)


def _deploy(stage: Stage, keeper: Keeper, worker: Kept, outcome: Outcome) -> Hit:
    keeper.wait_until_ready()
    at = time_now(stage.site.database)
    held = [job.id for job in running(stage.site.database) if keeper.holder(job) is worker]
    process = worker.process
    worker.send(signal.SIGTERM)
    began = time.monotonic()
    process.wait(stage.patience)
    if (seconds := time.monotonic() - began) > EXIT_SECONDS:
        outcome.wrong.append(f"a worker took {seconds:.1f} s to leave")
    return Hit(held, at)


def _crashes(stage: Stage, job_ids: Sequence[str]) -> list[str]:
    """What was taken for a crash, by the reasons that the events give for a job's return."""
    reasons = [
        f"{job_id}: {event.data['reason']}"
        for job_id in job_ids
        for event in jobs.events(stage.site.database, job_id)
        if "reason" in event.data
    ]
    return [reason for reason in reasons if "was asked to stop" not in reason]
