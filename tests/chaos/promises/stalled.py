"""One writer: a worker that slept past its lease writes nothing when it wakes, and leaves."""

import signal
import time

from contract.jobs import lifecycle
from tests import processes
from tests.chaos.judge import Expected, Hit, judge, recoveries, time_now
from tests.chaos.keeper import Keeper
from tests.chaos.outcome import Outcome
from tests.chaos.schedule import Fault, schedule
from tests.chaos.stage import Stage
from tests.chaos.victims import pick

WORKERS = 3
JOBS = 3
# Of a trainer whose worker has woken.
GONE_SECONDS = 10.0
LIMIT_SECONDS = 60.0


def run(stage: Stage, sleeps: int) -> Outcome:
    """Workers are stopped until others have their jobs, and then go on."""
    outcome = Outcome(sleeps)
    with stage.keeper() as keeper:
        keeper.workers(WORKERS, PLATEAU_FAKE_EPOCH_SECONDS="0.3")
        job_ids = [stage.submit(number, epochs=10_000) for number in range(JOBS)]
        faults = schedule(stage.seed, ["sleep"], sleeps)
        hits = [_sleep(stage, keeper, fault, outcome) for fault in faults]
        for job_id in job_ids:
            with stage.site.database.writing() as session:
                lifecycle.cancel(session, job_id)
        stage.wait_for("the jobs to be cancelled", *job_ids)
    ended = Expected(frozenset({"cancelled"}))
    outcome.found(judge(stage.site, dict.fromkeys(job_ids, ended)))
    found = recoveries(stage.site.database, hits)
    return outcome.recovering(found, of=sleeps, limit=LIMIT_SECONDS)


def _sleep(stage: Stage, keeper: Keeper, fault: Fault, outcome: Outcome) -> Hit:
    victim = pick(stage, keeper, fault, most_crashes=0)
    worker = victim.worker
    trainers = [pid for job in victim.held if (pid := worker.trainer_pid(job))]
    attempts = {job.id: job.attempts for job in victim.held}
    with stage.site.at_rest():
        at = time_now(stage.site.database)
        worker.send(signal.SIGSTOP)
    processes.wait_for(
        "others to take over",
        lambda: all(stage.site.job(id_).attempts > n for id_, n in attempts.items()),
        stage.patience,
    )
    worker.send(signal.SIGCONT)
    woken = time.monotonic()
    processes.wait_for("the stale trainers to go", lambda: not any(map(processes.exists, trainers)))
    if (seconds := time.monotonic() - woken) > GONE_SECONDS:
        outcome.wrong.append(f"a stale trainer stayed for {seconds:.1f} s")
    return Hit(list(attempts), at)
