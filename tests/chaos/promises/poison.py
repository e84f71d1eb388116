"""Poison is contained: what kills its trainer each time fails soon, and costs others little."""

from contract.store.database import Database
from tests import fake_trainer, jobs
from tests.chaos.judge import Expected, judge
from tests.chaos.outcome import Outcome
from tests.chaos.stage import Stage, experiment

MAX_CRASHES = 3
HEALTHY_PER_POISON = 60
EPOCHS = 20
EPOCH_SECONDS = 0.05
KEPT_THROUGHPUT = 0.95


def run(stage: Stage, poisons: int) -> Outcome:
    """Healthy jobs alone, and the same with poison between them."""
    with stage.keeper() as keeper:
        keeper.workers(1, PLATEAU_FAKE_EPOCH_SECONDS=str(EPOCH_SECONDS))
        count = poisons * HEALTHY_PER_POISON
        alone = [stage.submit(number, epochs=EPOCHS) for number in range(count)]
        stage.wait_for("the jobs alone", *alone)
        beside: list[str] = []
        poison: list[str] = []
        for number in range(count):
            if number % HEALTHY_PER_POISON == HEALTHY_PER_POISON // 2:
                kind = list(fake_trainer.POISONS)[len(poison) % len(fake_trainer.POISONS)]
                poison.append(stage.site.submit(experiment(kind)))
            beside.append(stage.submit(number, epochs=EPOCHS))
        stage.wait_for("the jobs beside poison", *beside, *poison)
    curves = map(stage.site.curve, alone)
    expected = {id_: Expected(curve=curve) for id_, curve in zip(beside, curves, strict=True)}
    failed = dict.fromkeys(poison, Expected(frozenset({"failed"})))
    outcome = Outcome(poisons).found(judge(stage.site, expected | failed))
    for job_id in poison:
        _judge_poison(stage, job_id, outcome)
    before, after = (seconds(stage.site.database, ids) for ids in (alone, beside))
    if before / after < KEPT_THROUGHPUT:
        outcome.wrong.append(f"the others took {after:.1f} s, and {before:.1f} s without poison")
    return outcome


def _judge_poison(stage: Stage, job_id: str, outcome: Outcome) -> None:
    job = stage.site.job(job_id)
    if job.attempts != MAX_CRASHES or job.error is None or job.error["code"] != "crashed":
        outcome.wrong.append(f"{job_id}: {job.attempts} attempts, {job.error}")


def seconds(database: Database, job_ids: list[str]) -> float:
    """From the first start of these jobs to the last end, as their events tell."""
    times = [
        event.at
        for job_id in job_ids
        for event in jobs.events(database, job_id)
        if event.data.get("status") in ("running", "succeeded")
    ]
    return (max(times) - min(times)).total_seconds()
