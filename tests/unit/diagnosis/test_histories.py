"""The judge of histories (tests/jobs.py) must itself be able to say no."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.store.tables import EpochRow, Event
from tests.jobs import faults

START = datetime(2026, 1, 1, tzinfo=UTC)


def history(*told: str | int) -> tuple[list[Event], list[EpochRow]]:
    """Events from statuses and epoch numbers, a second apart, and the rows that go with them."""
    events, rows = [], []
    claims = 0
    for seq, what in enumerate(told, 1):
        claims += what == "running"
        epoch = isinstance(what, int)
        data: dict[str, Any] = {"epoch": what, "metrics": {}} if epoch else {"status": what}
        at = START + timedelta(seconds=seq)
        kind = "epoch" if epoch else "status"
        events.append(Event(job_id="job_1", seq=seq, type=kind, data=data, at=at))
        if isinstance(what, int):
            rows.append(row(what, claims))
    return events, rows


def row(epoch: int, fence: int = 1) -> EpochRow:
    return EpochRow(
        job_id="job_1", epoch=epoch, fence=fence, metrics={}, learning_rate=0.1, seconds=1, at=START
    )


@pytest.mark.parametrize(
    "told",
    [
        (),
        ("queued", "cancelled"),
        ("queued", "running", 1, 2, "succeeded"),
        ("queued", "running", 1, "queued", "running", 2, "failed"),
        ("queued", "running", "cancelling", 1, "cancelled"),
    ],
)
def test_legal_histories_pass(told: tuple[str | int, ...]) -> None:
    assert faults(*history(*told)) == []


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        (("running",), "None became running"),
        (("queued", "succeeded"), "queued became succeeded"),
        (("queued", "running", "cancelling", "succeeded"), "cancelling became succeeded"),
        (("queued", "running", "succeeded", "failed"), "event 4 comes after the end"),
        (("queued", "running", "succeeded", 1), "event 4 comes after the end"),
        (("queued", 1), "epoch 1 ended while the job was queued"),
        (("queued", "running", 2), "epoch rows are not numbered 1, 2, 3"),
        (("queued", "running", 1, 3), "the events tell other epochs than the rows"),
        (("queued", "running", 1, 1), "epoch rows are not numbered 1, 2, 3"),
    ],
)
def test_illegal_histories_do_not(told: tuple[str | int, ...], fault: str) -> None:
    assert fault in faults(*history(*told))


def test_a_gap_in_the_events() -> None:
    events, rows = history("queued", "running", 1)
    assert "events are not numbered 1, 2, 3" in faults(events[:1] + events[2:], rows)


def test_a_row_that_no_event_tells_of() -> None:
    events, rows = history("queued", "running", 1)
    assert faults(events, [*rows, row(2)]) == ["the events tell other epochs than the rows"]


@pytest.mark.parametrize("fence", [1, 3])
def test_an_epoch_of_another_claim_than_the_last(fence: int) -> None:
    events, rows = history("queued", "running", 1, "queued", "running", 2)
    rows[1].fence = fence
    assert faults(events, rows) == [f"epoch 2 was written under claim {fence}, after claim 2"]


def test_time_that_runs_backwards() -> None:
    events, rows = history("queued", "running")
    events[1].at = START
    assert faults(events, rows) == ["time runs backwards"]
