"""What may pass is tried again, and only what comes back again and again ends something."""

import errno
import logging
from dataclasses import dataclass, field

import pytest
from psycopg.errors import DiskFull
from sqlalchemy.exc import (
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from contract.store.transient_faults import passes
from worker.duties.attempts import Attempts

GONE = Exception("terminating connection due to idle-in-transaction timeout")
PASSING: list[Exception] = [
    InternalError("SELECT 1", {}, GONE),
    OperationalError("SELECT 1", {}, Exception("deadlock detected")),
    InterfaceError("SELECT 1", {}, Exception("the connection is closed")),
    DataError("SELECT 1", {}, Exception("cut off"), connection_invalidated=True),
    NoConnectionFree("QueuePool limit"),
    OSError(errno.EIO, "the store does not answer"),
    ConnectionResetError("reset"),
    MemoryError(),
]
LASTING: list[Exception] = [
    KeyError("scaled_lambda_max"),
    TypeError("missing"),
    AssertionError(),
    IntegrityError("INSERT", {}, Exception("unique")),
    DataError("SELECT 1", {}, Exception("out of range")),
]


@dataclass
class Thing:
    """Fails with each of `faults` in turn; counts what is done to it."""

    faults: list[Exception]
    now: float = 0.0
    steps: int = 0
    ends: int = 0
    attempts: Attempts = field(init=False)

    def __post_init__(self) -> None:
        self.attempts = Attempts("the step of", lambda: self.now)

    def step(self) -> None:
        self.steps += 1
        if self.faults:
            raise self.faults.pop(0)

    def end(self) -> None:
        self.ends += 1

    def try_it(self, after: float = 0.0) -> bool | None:
        """None where it is not due yet."""
        self.now += after
        return self.attempts.make("it", self.step, self.end) if self.attempts.due("it") else None


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_may_pass_is_tried_again_at_once(error: Exception) -> None:
    thing = Thing([error])
    assert passes(error)
    assert [thing.try_it(), thing.try_it()] == [False, True]
    assert (thing.steps, thing.ends) == (2, 0)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_what_would_come_again_each_time_ends_it(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    thing = Thing([error])
    assert not passes(error)
    assert thing.try_it()
    assert (thing.steps, thing.ends) == (1, 1)
    assert "the step of it broke off" in caplog.text


def test_what_comes_back_again_and_again_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    thing = Thing([PASSING[0]] * 1000)
    with caplog.at_level(logging.WARNING):
        while not thing.ends:
            assert thing.now < 120
            thing.try_it(after=0.5)
    assert thing.now >= 60
    assert 5 <= thing.steps <= 10
    assert caplog.text.count("is tried again") == thing.steps - 1


def test_many_faults_in_a_moment_end_nothing() -> None:
    thing = Thing([PASSING[1]] * 20)
    while thing.faults:
        thing.now = 0.0
        thing.attempts.make("it", thing.step, thing.end)
    assert (thing.steps, thing.ends) == (20, 0)


def test_what_has_passed_is_forgotten() -> None:
    thing = Thing([])
    for _ in range(5):
        thing.faults = [PASSING[0]] * 4
        while thing.faults:
            thing.try_it(after=40)
        assert thing.try_it(after=40)
    assert (thing.steps, thing.ends) == (25, 0)


def test_a_full_disk_ends_nothing() -> None:
    full = OperationalError("UPDATE", {}, DiskFull())
    thing = Thing([full] * 50)
    while thing.faults:
        thing.try_it(after=30)
    assert thing.try_it(after=30)
    assert thing.ends == 0


def test_an_end_that_fails_is_tried_again() -> None:
    thing = Thing([KeyError("a"), KeyError("a")])
    ends = [PASSING[0]]

    def end() -> None:
        if ends:
            raise ends.pop()

    assert [thing.attempts.make("it", thing.step, end) for _ in range(2)] == [False, True]


def test_one_that_fails_holds_up_no_other() -> None:
    thing = Thing([PASSING[0]] * 3)
    assert [thing.try_it(), thing.try_it()] == [False, False]
    assert not thing.attempts.due("it")
    assert thing.attempts.due("another")
    thing.attempts.keep({"another"})
    assert thing.attempts.due("it")
