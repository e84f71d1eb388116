"""The edges of a job's life, read as data."""

import pytest

from contract.store.status import EDGES, HELD, TERMINAL, Status, leading_to


def test_every_status_has_its_edges() -> None:
    assert set(EDGES) == set(Status)


def test_the_ends() -> None:
    assert {Status.SUCCEEDED, Status.FAILED, Status.CANCELLED} == TERMINAL
    assert all(EDGES[status] == frozenset() for status in TERMINAL)


def test_every_job_can_end() -> None:
    reached = {Status.QUEUED}
    while more := {onward for status in reached for onward in EDGES[status]} - reached:
        reached |= more
    assert reached == set(Status)
    for status in set(Status) - TERMINAL:
        onward = {status}
        for _ in Status:
            onward |= {next_ for known in onward for next_ in EDGES[known]}
        assert onward & TERMINAL


def test_a_cancel_leads_nowhere_else() -> None:
    assert EDGES[Status.CANCELLING] == {Status.CANCELLED}


def test_only_a_held_job_goes_back_to_the_queue() -> None:
    assert leading_to(Status.QUEUED) <= HELD


@pytest.mark.parametrize("target", Status)
def test_leading_to_is_the_edges_backwards(target: Status) -> None:
    assert leading_to(target) == {status for status in Status if target in EDGES[status]}


def test_a_status_is_its_own_word_in_json_and_sql() -> None:
    assert [str(status) for status in Status] == [status.value for status in Status]
    assert Status("queued") == "queued"
