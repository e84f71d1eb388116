"""The promises of the service, each with the run that puts it to the test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.chaos.outcome import Outcome
from tests.chaos.promises import (
    cancel,
    contention,
    deploys,
    disk,
    durable,
    full_disk,
    killed,
    memory,
    poison,
    redis,
    stalled,
    whole,
)
from tests.chaos.promises.by_pytest import tested
from tests.chaos.stage import Kind, Stage


@dataclass(frozen=True)
class Promise:
    """`run` counts in faults, or what its own words say: `full` of them by `make chaos`, `short`
    in the test suite, where 0 means that other tests try it with a few."""

    words: str
    run: Callable[[Stage, int], Outcome]
    on: Kind
    full: int
    short: int


PROMISES: Mapping[str, Promise] = {
    "durable": Promise("Accepted is durable", durable.run, "embedded", 200, 2),
    "killed": Promise("Nothing lost, nothing counted twice", killed.run, "services", 200, 6),
    "killed_really": Promise("The same with real trainers", killed.run_really, "embedded", 20, 0),
    "stalled": Promise("One writer", stalled.run, "services", 50, 0),
    "redis": Promise("Redis is disposable", redis.run, "services", 50, 5),
    "cancel": Promise("Cancel sticks", cancel.run, "embedded", 500, 20),
    "poison": Promise("Poison is contained", poison.run, "embedded", 6, 0),
    "deploys": Promise("Deploys are safe", deploys.run, "embedded", 50, 0),
    "disk": Promise("Bad disk is loud: damage", disk.run, "embedded", 100, 4),
    "full_disk": Promise("Bad disk is loud: no room", full_disk.run, "embedded", 5, 1),
    "whole": Promise("Stored is whole", whole.run, "embedded", 200, 8),
    "whole_really": Promise("The same with real trainers", whole.run_really, "embedded", 20, 0),
    "contention": Promise("Contention", contention.run, "embedded", 5_000, 0),
    "memory": Promise("Memory does not grow", memory.run, "services", 1_000, 0),
    "transitions": Promise(
        "Only legal transitions",
        tested("-m", "slow", "tests/integration/contract/jobs/test_interleavings.py"),
        "embedded",
        10_000,
        0,
    ),
    "streams": Promise(
        "Streams are exact",
        tested("-m", "slow", "tests/integration/api/jobs/test_events.py"),
        "embedded",
        1_000,
        0,
    ),
    "migrations": Promise("Migrations", tested("tests/migrations"), "embedded", 0, 0),
}
