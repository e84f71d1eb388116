"""Accepted is durable: what was answered with 202 is stored, and stored once."""

import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx

from tests import processes
from tests.chaos.judge import Expected, judge, named
from tests.chaos.keeper import Kept, answers
from tests.chaos.outcome import Outcome
from tests.chaos.schedule import Fault, schedule
from tests.chaos.stage import Stage, experiment

CLIENTS = 4
POSTS_PER_KILL = 10
# A client goes on after a kill within this.
LIMIT_SECONDS = 60.0


def run(stage: Stage, kills: int) -> Outcome:
    """The API is killed in the middle of POSTs, which clients repeat until they are accepted."""
    posts = kills * POSTS_PER_KILL
    names = [f"post-{number}" for number in range(posts)]
    with stage.keeper() as keeper, ThreadPoolExecutor(CLIENTS) as clients:
        api, url = keeper.api()
        accepted = Accepted()
        asked = [
            clients.submit(_post_all, url, names[n::CLIENTS], accepted, stage.patience)
            for n in range(CLIENTS)
        ]
        faults = schedule(stage.seed, ["kill"], kills, lasts=(0.0, 0.02))
        seconds = _kill(api, url, faults, accepted, posts)
        told = [job_id for each in asked for job_id in each.result()]
    queued = Expected(frozenset({"queued"}))
    outcome = Outcome(kills).found(judge(stage.site, dict.fromkeys(told, queued)))
    count = named(stage.site.database, names)
    outcome.lost += sum(count[name] == 0 for name in names)
    outcome.duplicated += sum(max(0, count[name] - 1) for name in names)
    return outcome.recovering(seconds, of=kills, limit=LIMIT_SECONDS)


class Accepted:
    """How many POSTs were, counted by several threads."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def at_least(self, count: int) -> bool:
        return self.count >= count

    def one_more(self) -> None:
        with self._lock:
            self.count += 1


def _kill(
    api: Kept, url: httpx.URL, faults: Sequence[Fault], accepted: Accepted, posts: int
) -> list[float]:
    """Kill when so many POSTs were accepted, a moment later; seconds until it answers again."""
    seconds = []
    for fault in faults:
        due = int(fault.at * posts)
        processes.wait_for(f"{due} accepted POSTs", partial(accepted.at_least, due))
        time.sleep(fault.lasts)  # in the middle of a request, not at the end of one
        api.send(signal.SIGKILL)
        began = time.monotonic()
        api.process.wait()
        processes.wait_for("the API to be back", lambda: answers(url))
        seconds.append(time.monotonic() - began)
    return seconds


def _post_all(
    url: httpx.URL, names: Sequence[str], accepted: Accepted, patience: float
) -> list[str]:
    """The ids of the jobs, as a client of its own was told them."""
    with httpx.Client(base_url=url, timeout=30) as client:
        return [_post(client, name, accepted, patience) for name in names]


def _post(client: httpx.Client, name: str, accepted: Accepted, patience: float) -> str:
    """Until it is accepted, as a client with an Idempotency-Key may."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            answer = client.post(
                "/v1/jobs", json=experiment(name), headers={"Idempotency-Key": name}
            )
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        if answer.status_code == 202:
            accepted.one_more()
            return str(answer.json()["id"])
        assert answer.status_code >= 500, answer.text
    raise AssertionError(f"{name} was not accepted within {patience:g} s")
