"""Limits that a process keeps by itself: requests by key, streams by owner."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.auth.caller import ANYONE, Caller
from api.auth.quotas import Streams
from api.auth.rate_limit import Rate
from contract.errors import TooManyRequests, TooManyStreams


class Clock:
    at = 1000.0

    def __call__(self) -> float:
        return self.at


def wait_seconds(refused: pytest.ExceptionInfo[TooManyRequests]) -> int:
    return int(refused.value.headers["Retry-After"])


def taken(rate: Rate, key: str, most: int = 10_000) -> int:
    """How many requests are allowed at once."""
    for count in range(most):
        try:
            rate.take(key)
        except TooManyRequests:
            return count
    return most


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize(("per_second", "at_once"), [(50, 100), (0.7, 1), (0.1, 1), (2.5, 5)])
def test_twice_as_many_at_once_and_the_rate_in_the_long_run(
    clock: Clock, per_second: float, at_once: int
) -> None:
    rate = Rate(per_second, clock)
    assert taken(rate, "a") == at_once
    for _ in range(20):
        clock.at += 1 / per_second + 1e-6
        assert taken(rate, "a") == 1


def test_waiting_as_long_as_told_is_enough(clock: Clock) -> None:
    for per_second in (0.01, 0.3, 1, 50):
        rate = Rate(per_second, clock)
        taken(rate, "a")
        with pytest.raises(TooManyRequests, match="PLATEAU_REQUESTS_PER_SECOND") as refused:
            rate.take("a")
        assert 1 <= wait_seconds(refused) <= 1 / per_second + 1
        clock.at += wait_seconds(refused) + 1e-6
        rate.take("a")


def test_keys_do_not_take_from_each_other(clock: Clock) -> None:
    rate = Rate(1, clock)
    assert [taken(rate, key) for key in "abc"] == [2, 2, 2]


def test_buckets_that_are_full_again_are_forgotten(clock: Clock) -> None:
    rate = Rate(50, clock)
    for number in range(10_000):
        clock.at += 0.01
        rate.take(str(number))
    assert len(rate) <= 201


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 3)), max_size=200))
def test_never_more_than_the_burst_and_the_rate_allow(asked: list[tuple[str, float]]) -> None:
    clock = Clock()
    rate = Rate(2, clock)
    allowed: dict[str, list[float]] = {"a": [], "b": []}
    for key, pause in asked:
        clock.at += pause
        try:
            rate.take(key)
        except TooManyRequests:
            continue
        allowed[key].append(clock.at)
    for times in allowed.values():
        for first, begin in enumerate(times):
            for last in range(first, len(times)):
                assert last - first + 1 <= 4 + 2 * (times[last] - begin) + 1e-6


def caller(owner: str) -> Caller:
    return Caller(owner, frozenset(["read"]), "key")


def test_streams_are_counted_by_owner_while_they_are_open() -> None:
    streams = Streams(2)
    with ExitStack() as stack:
        for owner in ("a", "a", "b"):
            stack.enter_context(streams.one_more(caller(owner)))
        with pytest.raises(TooManyStreams, match="PLATEAU_MAX_STREAMS") as refused:
            stack.enter_context(streams.one_more(caller("a")))
        assert int(refused.value.headers["Retry-After"]) > 0
        stack.enter_context(streams.one_more(caller("b")))
    with streams.one_more(caller("a")), streams.one_more(caller("a")):
        pass


def test_a_stream_that_broke_is_not_counted_any_more() -> None:
    streams = Streams(1)
    for _ in range(3):
        with pytest.raises(OSError, match="gone"), streams.one_more(caller("a")):
            raise OSError("gone")


def test_streams_are_counted_across_threads() -> None:
    streams = Streams(8)

    def use(_number: int) -> None:
        for _ in range(500):
            with streams.one_more(caller("a")):
                pass

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(8)))
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(streams.one_more(caller("a")))


def test_without_keys_streams_are_not_limited() -> None:
    streams = Streams(1)
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(streams.one_more(ANYONE))
