"""What the documents say is what the code does: numbers, statuses, routes, fields, parameters."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import BaseModel

from api.app import create_app
from api.auth import revocation
from api.http import json_reader
from api.http.query_parameters import taken
from api.jobs import long_poll
from contract.experiment.spec import Experiment
from contract.settings import Settings
from contract.store.status import EDGES, TERMINAL, Status
from contract.store.tables import ProofStatus, SweepStatus
from contract.sweeps import axes
from diagnosis.proof import plan
from worker import node
from worker.duties import queue_watch
from worker.training.data import dataset_cache
from worker.training.program import graphs

ROOT = Path(__file__).parents[2]
README, LIFECYCLE, OPERATIONS = (
    (ROOT / name).read_text("utf-8")
    for name in ("README.md", "docs/lifecycle.md", "docs/operations.md")
)
SETTINGS = Settings()
REDIS = Settings(broker_url="redis://host/0")
# By the words around it: a number of a document, and that of the code.
NUMBERS: list[tuple[str, str, float]] = [
    (LIFECYCLE, r"names the worker and sets a lease of (\S+) s", SETTINGS.lease_seconds),
    (LIFECYCLE, r"every (\S+) s with Redis, every \S+ s with `memory", REDIS.sweep_seconds),
    (LIFECYCLE, r"with Redis, every (\S+) s with `memory", SETTINGS.sweep_seconds),
    (LIFECYCLE, r"asks the database every (\S+) ms", 1000 * queue_watch._LOOK_SECONDS),
    (LIFECYCLE, r"hears none of these messages for (\S+) s", SETTINGS.idle_exit_seconds),
    (LIFECYCLE, r"when it dies or has served (\S+) jobs", SETTINGS.jobs_per_trainer),
    (LIFECYCLE, r"all trainers of the node share \((\S+) GB", dataset_cache.LIMIT_BYTES / 1e9),
    (LIFECYCLE, r"extends the lease of each of its jobs every (\S+) s", SETTINGS.heartbeat_seconds),
    (LIFECYCLE, r"could not be extended for (\S+) s is given up", SETTINGS.abandon_seconds),
    (LIFECYCLE, r"The slot\s+pauses too, up to (\S+) s", node._LONGEST_PAUSE_SECONDS),
    (LIFECYCLE, r"Workers look every (\S+) s and ask", SETTINGS.cancel_poll_seconds),
    (LIFECYCLE, r"step boundary; (\S+) s later it is killed", SETTINGS.cancel_grace_seconds),
    (LIFECYCLE, r"Every worker runs a reaper, every (\S+) s", SETTINGS.reap_seconds),
    (LIFECYCLE, r"each worker looks every (\S+) s, and when a job ends", SETTINGS.search_seconds),
    (OPERATIONS, r"its leases run out \((\S+) s\)", SETTINGS.lease_seconds),
    (OPERATIONS, r"a reaper of any worker \(every (\S+) s\)", SETTINGS.reap_seconds),
    (OPERATIONS, r"workers look into the database every (\S+) s anyway", REDIS.sweep_seconds),
    (OPERATIONS, r"stays deaf for (\S+) s while jobs wait", SETTINGS.idle_exit_seconds),
    (OPERATIONS, r"trainers go on for (\S+) s, then stop", SETTINGS.abandon_seconds),
    (OPERATIONS, r"slots pause up to (\S+) s", node._LONGEST_PAUSE_SECONDS),
    (README, r"or after 30 s \((\S+) at most\)", long_poll.LONGEST_SECONDS),
    (README, r"nested at most (\S+) levels deep", json_reader.MAX_DEPTH),
    (README, r"`axes` \| up to (\S+), of up", axes.MAX_AXES),
    (README, r"`axes` \| up to \S+, of up to (\S+) values", axes.MAX_VALUES),
    (README, r"That is at most (\S+) trials", plan.MOST),
]
COUNTS = {"third": 3, "second": 1}
WORDS = [
    (LIFECYCLE, r"The (\w+) without one ends the job as", SETTINGS.max_crashes),
    (LIFECYCLE, r"Epochs shorter than a (\w+)\n?\s*share", graphs.CHUNK_SECONDS),
]


@pytest.mark.parametrize(("document", "words", "value"), NUMBERS, ids=lambda each: str(each)[:60])
def test_a_number_is_what_it_says(document: str, words: str, value: float) -> None:
    found = re.findall(words.replace(" ", r"\s+"), document)
    assert [float(each.replace(",", "")) for each in found] == [value]


@pytest.mark.parametrize(("document", "words", "value"), WORDS)
def test_a_count_in_words_is_what_it_says(document: str, words: str, value: float) -> None:
    assert [COUNTS[each] for each in re.findall(words, document)] == [value]


def test_a_key_is_asked_about_as_soon_as_is_said() -> None:
    [seconds] = re.findall(r"what is open with it ends within (\d+) s", README)
    assert int(seconds) > 2 * revocation._LOOK_SECONDS


def test_the_statuses_are_those_of_the_picture() -> None:
    picture = LIFECYCLE.split("```")[1]
    assert {str(each) for each in Status} <= set(re.findall(r"[a-z]+", picture))
    [final] = re.findall(r"\n(.*) are terminal: such a job never", LIFECYCLE)
    assert set(re.findall(r"`(\w+)`", final)) == {str(each) for each in TERMINAL}
    [told] = re.findall(r"## A job\n\n(.*?)\. The status", README, re.DOTALL)
    assert re.findall(r"`(\w+)`", told) == [
        *(str(each) for each in EDGES if each not in TERMINAL),
        *(str(each) for each in EDGES if each in TERMINAL),
    ]


@pytest.mark.parametrize(
    ("begin", "end", "statuses"),
    [("## Proofs", "## Sweeps", ProofStatus), ("## Sweeps", "## How this", SweepStatus)],
)
def test_the_ends_of_proofs_and_sweeps_are_told(begin: str, end: str, statuses: Any) -> None:
    told = LIFECYCLE[LIFECYCLE.index(begin) : LIFECYCLE.index(end)]
    assert {str(each) for each in statuses} <= set(re.findall(r"`(\w+)`", told))


def spans(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def told_routes() -> Iterator[tuple[str, str]]:
    """(method, path) of each that the README's table has; {} stands for an id or a name."""
    table = README[README.index("| route | |") : README.index("### Posting and polling")]
    method = path = ""
    for row in table.splitlines()[2:]:
        if not row.startswith("|"):
            break
        first, second = row.strip("|").split("|")[:2]
        for span in spans(first):
            written = re.sub(r"\{\w+\}", "{}", span.partition("?")[0])
            if written.startswith("/"):  # beside the one before, unless it is whole
                folder = "" if written.startswith("/v1") else path.rpartition("/")[0]
                path = folder + written
            else:
                method, _, rest = written.partition(" ")
                path = _resolved(rest, path)
            yield method, path
        for ending in re.findall(r"`(\.[a-z]+)`", second.partition("; also")[2]):
            yield method, path + ending


def _resolved(written: str, before: str) -> str:
    """A path as the table may write it, after another one."""
    folder, _, last = before.rpartition("/")
    if written.startswith("..."):
        rest = written.removeprefix("...")
        return folder + rest if rest.startswith(f"/{last}/") else before + rest
    return written or before


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[RouteContext]:
    app = create_app(Settings(var_dir=tmp_path_factory.mktemp("documents")))
    return list(iter_route_contexts(app.routes))


def test_the_readme_tells_of_every_route_and_of_no_other(routes: list[RouteContext]) -> None:
    served = {
        (method, re.sub(r"\{\w+\}", "{}", str(route.path)))
        for route in routes
        for method in route.methods or ()
    } - {("GET", "/docs/{}")}  # what the page there loads
    assert set(told_routes()) == served


def test_the_readme_tells_of_every_parameter(routes: list[RouteContext]) -> None:
    named = set(re.findall(r"[a-z_]+", " ".join(spans(README.replace("```", "")))))
    for route in routes:
        for name in parameters(route):
            assert name in named, f"{name} of {route.path}"


def parameters(route: RouteContext) -> list[str]:
    return [name for name, _ in taken(route.dependant)]


def models(kind: type[BaseModel]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        yield name
        part = field.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            yield from models(part)


def test_the_readme_tells_of_every_field_of_an_experiment() -> None:
    table = README[README.index("## An experiment") : README.index("## Your own data")]
    example, _, rows = table.partition("| field |")
    told = set(re.findall(r"[a-z_]+", " ".join(spans(rows)) + example))
    assert set(models(Experiment)) <= told
