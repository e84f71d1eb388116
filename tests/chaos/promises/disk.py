"""Bad disks are loud: damage is seen and told, and costs a job one checkpoint."""

import random

from tests.chaos.disk import damage
from tests.chaos.judge import Hit, damages, judge, recoveries, time_now
from tests.chaos.load import Load
from tests.chaos.outcome import Outcome
from tests.chaos.stage import Stage

KINDS = ("flip", "truncate", "remove")
JOBS = 4
LIMIT_SECONDS = 60.0
EPOCHS = 40


def run(stage: Stage, count: int) -> Outcome:
    """Checkpoints are damaged while no worker runs."""
    chance = random.Random(stage.seed)
    slots = {"PLATEAU_SLOTS": str(JOBS), "PLATEAU_FAKE_EPOCH_SECONDS": "0.1"}
    with stage.site.worker(**slots):
        load = Load(stage, JOBS, EPOCHS)
    hits: list[Hit] = []
    while len(hits) < count:
        with stage.site.worker(**slots) as worker:
            load.wait_for_end()
            disturbed = load.start()
            for job_id in disturbed:
                stage.site.wait_for_epoch(job_id, 3)
            assert worker.terminate() == 0
        hits += [_damage(stage, job_id, chance) for job_id in disturbed]
    with stage.site.worker(**slots):
        load.wait_for_end()
    outcome = Outcome(len(hits)).found(judge(stage.site, load.expected()))
    if (told := damages(stage.site.database, load.job_ids)) != len(hits):
        outcome.wrong.append(f"{told} damages were told of, of {len(hits)}")
    return outcome.recovering(
        recoveries(stage.site.database, hits), of=len(hits), limit=LIMIT_SECONDS
    )


def _damage(stage: Stage, job_id: str, chance: random.Random) -> Hit:
    """Harm the newest checkpoint of a job that waits."""
    job = stage.site.job(job_id)
    assert job.status == "queued", f"its worker gave it back: {job.status}"
    assert job.checkpoint is not None, "it has trained"
    damage(stage.site.artifacts / job.checkpoint["key"], chance.choice(KINDS), chance)
    return Hit([job_id], time_now(stage.site.database))
