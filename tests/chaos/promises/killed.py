"""Nothing is lost, nothing counted twice, whatever is killed."""

import os
import signal
from contextlib import suppress

from tests.chaos.judge import Hit, damages, judge, recoveries, time_now
from tests.chaos.keeper import Keeper
from tests.chaos.load import Load
from tests.chaos.outcome import Outcome
from tests.chaos.schedule import Fault, schedule
from tests.chaos.stage import Stage
from tests.chaos.victims import pick

EPOCHS = 20
KILLS_PER_JOB = 2
KILLS_PER_LOSS_OF_REDIS = 20
# One more without an epoch in between would be the job's own fault, by the rules.
MOST_CRASHES = 1
LIMIT_SECONDS = 60.0


def run_really(stage: Stage, kills: int) -> Outcome:
    """With trainers that train."""
    return run(stage, kills, workers=1, PLATEAU_TRAINER="worker.trainer")


def run(stage: Stage, kills: int, workers: int = 3, **environment: str) -> Outcome:
    """Trainers and workers are killed, and where there is a Redis, it too, and emptied."""
    faults = schedule(stage.seed, ["trainer", "worker"], kills)
    if stage.broker is not None:
        losses = schedule(stage.seed, ["redis"], max(1, kills // KILLS_PER_LOSS_OF_REDIS))
        faults = sorted([*faults, *losses], key=lambda fault: fault.at)
    with stage.keeper() as keeper:
        keeper.workers(workers, PLATEAU_FAKE_EPOCH_SECONDS="0.1", **environment)
        load = Load(stage, kills // KILLS_PER_JOB, EPOCHS)
        load.start()
        hits = []
        for fault in faults:
            load.wait_until_due(fault)
            hits.append(_hit(stage, keeper, load, fault))
        load.wait_for_end()
    outcome = Outcome(len(faults)).found(judge(stage.site, load.expected()))
    if told := damages(stage.site.database, load.job_ids):
        outcome.wrong.append(f"{told} checkpoints were damaged, and not by us")
    found = recoveries(stage.site.database, hits)
    return outcome.recovering(found, of=len(hits), limit=LIMIT_SECONDS)


def _hit(stage: Stage, keeper: Keeper, load: Load, fault: Fault) -> Hit:
    at = time_now(stage.site.database)
    if fault.kind == "redis":
        assert stage.broker is not None
        stage.broker.lose_everything()
        return Hit([], at)
    while True:
        victim = pick(stage, keeper, fault, most_crashes=MOST_CRASHES, otherwise=load.renew)
        at = time_now(stage.site.database)
        if fault.kind == "worker":
            victim.worker.send(signal.SIGKILL)
            return Hit([job.id for job in victim.held], at)
        pid = victim.worker.trainer_pid(victim.job)
        assert pid is not None
        with suppress(ProcessLookupError):  # it ended a moment ago
            os.kill(pid, signal.SIGKILL)
            return Hit([victim.job.id], at)
