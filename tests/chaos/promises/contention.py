"""Contention: many processes on one SQLite file, and no client hears of a locked database."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.chaos.judge import Expected, judge
from tests.chaos.outcome import Outcome
from tests.chaos.stage import Stage, experiment

APIS = 4
WORKERS = 8
CLIENTS = 8


def run(stage: Stage, requests: int) -> Outcome:
    """Clients ask and post as fast as they can, while as many workers train what they post."""
    with stage.keeper() as keeper, ThreadPoolExecutor(CLIENTS) as clients:
        keeper.workers(WORKERS, PLATEAU_SLOTS="1")
        urls = [keeper.api()[1] for _ in range(APIS)]
        each = requests // CLIENTS
        asked = [
            clients.submit(_ask, urls[n % APIS], random.Random(f"{stage.seed} {n}"), each)
            for n in range(CLIENTS)
        ]
        told = [client.result() for client in asked]
        job_ids = [job_id for ids, _ in told for job_id in ids]
        stage.wait_for("the jobs", *job_ids)
    outcome = Outcome(requests)
    outcome.found(judge(stage.site, dict.fromkeys(job_ids, Expected())))
    statuses = sum((found for _, found in told), Counter[int]())
    outcome.wrong += [f"{n} answers of {status}" for status, n in statuses.items() if status >= 500]
    return outcome


def _ask(url: httpx.URL, chance: random.Random, requests: int) -> tuple[list[str], Counter[int]]:
    """The jobs that were made, and how often each HTTP status came."""
    job_ids: list[str] = []
    statuses = Counter[int]()
    with httpx.Client(base_url=url, timeout=60) as client:
        for _ in range(requests):
            if not job_ids or chance.random() < 0.1:
                answer = client.post("/v1/jobs", json=experiment("busy", epochs=3))
                if answer.status_code == 202:
                    job_ids.append(str(answer.json()["id"]))
            else:
                answer = client.get(f"/v1/jobs/{chance.choice(job_ids)}")
            statuses[answer.status_code] += 1
    return job_ids, statuses
