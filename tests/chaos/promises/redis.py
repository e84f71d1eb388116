"""Redis is disposable: whatever happens to it, jobs are trained, once, with nobody's help."""

import time
from contextlib import ExitStack

import httpx

from tests.chaos.broker import KINDS, Broker
from tests.chaos.judge import Expected, Hit, judge, recoveries, time_now
from tests.chaos.outcome import Outcome
from tests.chaos.schedule import Fault, schedule
from tests.chaos.stage import Stage, experiment

WORKERS = 2
JOBS_PER_FAULT = 6
LIMIT_SECONDS = 60.0


def run(stage: Stage, faults: int) -> Outcome:
    """Jobs are posted while Redis is out of order; they must begin within 60 s of its healing."""
    assert stage.broker is not None
    drawn = schedule(stage.seed, KINDS, faults, lasts=(0.0, 3.0))
    with ExitStack() as stack:
        keeper = stack.enter_context(stage.keeper())
        keeper.workers(WORKERS, PLATEAU_FAKE_EPOCH_SECONDS="0.05")
        client = stack.enter_context(httpx.Client(base_url=keeper.api()[1], timeout=30))
        hits = [_disturb(stage, stage.broker, client, fault) for fault in drawn]
    job_ids = [job_id for hit in hits for job_id in hit.job_ids]
    outcome = Outcome(faults).found(judge(stage.site, dict.fromkeys(job_ids, Expected())))
    found = recoveries(stage.site.database, hits, from_queue=True)
    return outcome.recovering(found, of=faults, limit=LIMIT_SECONDS)


def _disturb(stage: Stage, broker: Broker, client: httpx.Client, fault: Fault) -> Hit:
    with broker.fault(fault.kind):
        job_ids = [_post(client, f"{fault.kind}-{number}") for number in range(JOBS_PER_FAULT)]
        time.sleep(fault.lasts)
    healed = time_now(stage.site.database)
    stage.wait_for(f"the jobs of a time with {fault.kind}", *job_ids)
    return Hit(job_ids, healed)


def _post(client: httpx.Client, name: str) -> str:
    body = experiment(name, epochs=5)
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])
