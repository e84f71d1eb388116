"""Full disks are loud: POST is answered with 507, GET with 200, and no job is the worse for it."""

import time
from contextlib import ExitStack
from dataclasses import replace

import httpx

from tests.chaos.disk import Ballast, NotPossible, small_disk
from tests.chaos.judge import Expected, Hit, judge, recoveries, time_now
from tests.chaos.load import Load
from tests.chaos.outcome import Outcome
from tests.chaos.schedule import Fault, schedule
from tests.chaos.stage import Stage, experiment
from tests.sites import site_on

MEGABYTES = 16
# What SQLite has free within its file takes a few more jobs.
MOST_POSTS = 300
LIMIT_SECONDS = 60.0


def run(stage: Stage, fills: int) -> Outcome:
    """Database, checkpoints and scratch lie on a disk that is filled to the last block."""
    folder = stage.site.folder
    try:
        with small_disk(folder / "disk", MEGABYTES) as disk:
            environment = stage.site.environment | {"PLATEAU_VAR_DIR": str(disk)}
            url = f"sqlite:///{disk}/plateau.sqlite3"
            environment["PLATEAU_DATABASE_URL"] = url
            with site_on(url, "memory://", folder, **environment) as site:
                return _run(replace(stage, site=site), Ballast(disk), fills)
    except NotPossible as reason:
        return Outcome(0, skipped=str(reason))


def _run(stage: Stage, ballast: Ballast, fills: int) -> Outcome:
    outcome = Outcome(fills)
    hits = []
    expected: dict[str, Expected] = {}
    with ExitStack() as stack:
        keeper = stack.enter_context(stage.keeper())
        keeper.workers(1, PLATEAU_FAKE_EPOCH_SECONDS="0.05")
        client = stack.enter_context(httpx.Client(base_url=keeper.api()[1], timeout=30))
        load = Load(stage, count=max(2, fills), epochs=40)
        load.start()
        for fault in schedule(stage.seed, ["fill"], fills, lasts=(0.5, 3.0)):
            load.wait_until_due(fault)
            accepted = _fill(ballast, client, fault, load.job_ids[0], outcome)
            going_on = set(load.job_ids) - stage.site.ended()
            hits.append(Hit(sorted(going_on), time_now(stage.site.database)))
            expected |= dict.fromkeys(accepted, Expected())
        load.wait_for_end()
        stage.wait_for("what was accepted meanwhile", *expected)
    outcome.found(judge(stage.site, expected | load.expected()))
    found = recoveries(stage.site.database, hits)
    return outcome.recovering(found, of=fills, limit=LIMIT_SECONDS)


def _fill(
    ballast: Ballast, client: httpx.Client, fault: Fault, job_id: str, outcome: Outcome
) -> list[str]:
    """The jobs that were accepted while the disk was filled, and had room after all."""
    accepted = []
    ballast.fill()
    try:
        for _ in range(MOST_POSTS):
            answer = client.post("/v1/jobs", json=experiment("late"))
            if answer.status_code != 202:
                break
            accepted.append(str(answer.json()["id"]))
        if answer.status_code != 507:
            outcome.wrong.append(f"POST was answered with {answer.status_code}: {answer.text}")
        for path in ("", f"/{job_id}", f"/{job_id}/events", f"/{job_id}/curves"):
            told = client.get(f"/v1/jobs{path}")
            if told.status_code != 200:
                outcome.wrong.append(f"GET {told.url} was answered with {told.status_code}")
        time.sleep(fault.lasts)
    finally:
        ballast.drop()
    return accepted
