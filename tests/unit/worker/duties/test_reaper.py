"""When a lease is over, by what a reaper has seen and whatever the database's clock says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contract.jobs.leases import Lease
from contract.jobs.lifecycle import Claim
from contract.settings import Settings
from contract.store.database import Database
from worker.duties.reaper import Reaper

UNTIL = datetime(2026, 11, 26, 12, tzinfo=UTC)
LEASE = Lease(Claim("job_1", 1), UNTIL, expired=False)
EXPIRED = replace(LEASE, expired=True)
NOWHERE = Database("sqlite://")  # what is read there is told by hand
HOUR = timedelta(hours=1)


class Clock:
    """One that is set by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reaper(clock: Clock) -> Reaper:
    """Of a worker with the default settings: heartbeats of 10 s, leases of 45 s."""
    return Reaper(NOWHERE, Settings(), clock)


@pytest.mark.parametrize(("lease", "seconds"), [(EXPIRED, 20), (LEASE, 45)])
def test_a_lease_is_over_once_it_was_seen_unrenewed(
    reaper: Reaper, clock: Clock, lease: Lease, seconds: float
) -> None:
    assert reaper.silent([lease], set()) == []
    clock.seconds = seconds - 0.1
    assert reaper.silent([lease], set()) == []
    clock.seconds = seconds
    assert reaper.silent([lease], set()) == [lease]
    assert reaper.silent([lease], {lease.held}) == [], "what it holds itself"


def test_a_clock_that_jumps_ahead_takes_nothing_from_who_renews(
    reaper: Reaper, clock: Clock
) -> None:
    for beat in range(100):
        clock.seconds = 10.0 * beat
        jumped = replace(EXPIRED, until=UNTIL + beat * timedelta(seconds=10))
        assert reaper.silent([jumped], set()) == []


def test_one_that_was_set_back_hides_nobody(reaper: Reaper, clock: Clock) -> None:
    ahead = replace(LEASE, until=UNTIL + 3 * HOUR)
    for second in range(0, 45, 5):
        clock.seconds = second
        assert reaper.silent([ahead], set()) == []
    clock.seconds = 45
    assert reaper.silent([ahead], set()) == [ahead]


def test_another_claim_on_the_job_begins_anew(reaper: Reaper, clock: Clock) -> None:
    assert reaper.silent([EXPIRED], set()) == []
    clock.seconds = 60
    assert reaper.silent([replace(EXPIRED, held=Claim("job_1", 2))], set()) == []
    assert reaper.silent([EXPIRED], set()) == [], "it was away meanwhile"


def test_leases_shorter_than_two_heartbeats_are_waited_for_once(clock: Clock) -> None:
    settings = Settings(heartbeat_seconds=1.2, abandon_seconds=1.5, lease_seconds=2)
    reaper = Reaper(NOWHERE, settings, clock)
    assert reaper.silent([EXPIRED], set()) == []
    clock.seconds = 2
    assert reaper.silent([EXPIRED], set()) == [EXPIRED]
