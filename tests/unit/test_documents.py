"""What the documents say is what the code does: numbers, statuses. Links lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from api.auth import revocation
from api.datasets.reading import options
from api.http import json_reader
from api.jobs import long_poll
from contract.settings import Settings
from contract.store.status import EDGES, TERMINAL, Status
from contract.store.tables import ProofStatus, SweepStatus
from contract.sweeps import axes
from diagnosis.proof import plan
from tests.pages import ROOT, page, section, spans, without_code
from worker import node
from worker.duties import queue_watch
from worker.training.data import dataset_cache
from worker.training.program import graphs

API, DATA, EXPERIMENT, LIFECYCLE, OPERATIONS = (
    page(f"docs/{name}.md") for name in ("api", "data", "experiment", "lifecycle", "operations")
)
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SETTINGS = Settings()
REDIS = Settings(broker_url="redis://host/0")
# By the words around it: a number of a document, and that of the code.
NUMBERS: list[tuple[str, str, float]] = [
    (LIFECYCLE, r"names the worker and sets a lease of (\S+) s", SETTINGS.lease_seconds),
    (LIFECYCLE, r"every (\S+) s with Redis, every \S+ s with `memory", REDIS.queue_watch_seconds),
    (LIFECYCLE, r"with Redis, every (\S+) s with `memory", SETTINGS.queue_watch_seconds),
    (LIFECYCLE, r"asks the database every (\S+) ms", 1000 * queue_watch._LOOK_SECONDS),
    (LIFECYCLE, r"receives none of these messages for (\S+) s", SETTINGS.idle_exit_seconds),
    (LIFECYCLE, r"when it dies or has served (\S+) jobs", SETTINGS.jobs_per_trainer),
    (LIFECYCLE, r"all trainers of the node share \((\S+) GB", dataset_cache.LIMIT_BYTES / 1e9),
    (LIFECYCLE, r"extends the lease of each of its jobs every (\S+) s", SETTINGS.heartbeat_seconds),
    (LIFECYCLE, r"could not be extended for (\S+) s is given up", SETTINGS.abandon_seconds),
    (LIFECYCLE, r"The slot\s+pauses too, up to (\S+) s", node._LONGEST_PAUSE_SECONDS),
    (LIFECYCLE, r"Workers look every (\S+) s and ask", SETTINGS.cancel_poll_seconds),
    (LIFECYCLE, r"step boundary; (\S+) s later it is killed", SETTINGS.cancel_grace_seconds),
    (LIFECYCLE, r"Every worker runs a reaper, every (\S+) s", SETTINGS.reap_seconds),
    (
        LIFECYCLE,
        r"each worker looks every (\S+) s, and when a job ends",
        SETTINGS.sweep_watch_seconds,
    ),
    (OPERATIONS, r"Its leases run out \((\S+) s\)", SETTINGS.lease_seconds),
    (OPERATIONS, r"A reaper of any worker \(every (\S+) s\)", SETTINGS.reap_seconds),
    (OPERATIONS, r"Workers look into the database every (\S+) s anyway", REDIS.queue_watch_seconds),
    (OPERATIONS, r"receives no message for (\S+) s while jobs wait", SETTINGS.idle_exit_seconds),
    (OPERATIONS, r"Trainers go on for (\S+) s, then stop", SETTINGS.abandon_seconds),
    (OPERATIONS, r"Slots pause up to (\S+) s", node._LONGEST_PAUSE_SECONDS),
    (API, r"or after 30 s \((\S+) at most\)", long_poll.LONGEST_SECONDS),
    (API, r"Up to (\S+) axes, of up to \S+ values", axes.MAX_AXES),
    (API, r"Up to \S+ axes, of up to (\S+) values", axes.MAX_VALUES),
    (API, r"That is at most (\S+) trials", plan.MOST),
    (EXPERIMENT, r"nested at most (\S+) levels deep", json_reader.MAX_DEPTH),
    (DATA, r"\| examples \| (\S+) \|", options.Limits.of(SETTINGS).max_examples),
    (DATA, r"inputs of an example \| (\S+) values", options.MAX_VALUES),
    (DATA, r"values, 1 to (\S+) dimensions", options.MAX_DIMENSIONS),
    (DATA, r"classes, labels or targets \| (\S+) \|", options.MAX_OUTPUTS),
    (DATA, r"class or column name \| (\S+) characters", options.MAX_NAME),
    (DATA, r"`PLATEAU_MAX_UPLOAD_BYTES` \((\S+) MB\)", SETTINGS.max_upload_bytes / 1e6),
    (DATA, r"`PLATEAU_MAX_DATASET_BYTES` \((\S+) GB\)", SETTINGS.max_dataset_bytes / 1e9),
    (DATA, r"`PLATEAU_MAX_STORED_BYTES` \((\S+) GB\)", SETTINGS.max_stored_bytes / 1e9),
    (DATA, r"`PLATEAU_MAX_COLUMNS` \((\S+)\)", SETTINGS.max_columns),
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
    [seconds] = re.findall(r"what is open with it ends within (\d+) s", API)
    assert int(seconds) > 2 * revocation._LOOK_SECONDS


def test_the_statuses_are_those_of_the_picture() -> None:
    picture = LIFECYCLE.split("```")[1]
    assert {str(each) for each in Status} <= set(re.findall(r"[a-z]+", picture))
    [final] = re.findall(r"\n(.*) are terminal: such a job never", LIFECYCLE)
    assert set(re.findall(r"`(\w+)`", final)) == {str(each) for each in TERMINAL}
    told = section(API, "A job").partition(". The status")[0]
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


def test_the_readme_is_short() -> None:
    assert len(page("README.md").splitlines()) <= 150


def links(document: Path) -> Iterator[str]:
    """Those that name no other site, out of code."""
    text = re.sub(r"`[^`\n]*`", "", without_code(document.read_text("utf-8")))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target:
            yield target


def anchors(document: Path) -> set[str]:
    """Those that GitHub gives to headings."""
    titles = re.findall(r"^#+ (.+)$", without_code(document.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: str(each.relative_to(ROOT)))
def test_each_link_leads_somewhere(document: Path) -> None:
    for link in links(document):
        path, _, anchor = unquote(link).partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_what_code_says_of_documents_exists() -> None:
    """In docstrings, comments, messages and the files for docker compose and make."""
    folders = ("api", "benchmarks", "contract", "diagnosis", "scripts", "tests", "worker")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    files += [ROOT / name for name in (".env.example", "Makefile", "docker-compose.yml")]
    for file in files:
        for name in re.findall(r"\bdocs/[\w./-]+\.md\b", file.read_text("utf-8")):
            assert (ROOT / name).exists(), f"{name} in {file}"


def test_the_map_names_what_there_is() -> None:
    """Each path from the root that the page has in backticks."""
    told = spans(without_code(page("docs/architecture.md")))
    paths = [each for each in told if re.fullmatch(r"(api|contract|diagnosis|worker)/\S*", each)]
    assert len(paths) > 80
    for path in paths:
        assert (ROOT / path).exists(), path
