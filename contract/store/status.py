"""How a job lives: its statuses, and the only ways from one to another (docs/lifecycle.md)."""

from enum import StrEnum


class Status(StrEnum):
    """`succeeded`, `failed` and `cancelled` are final."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


# An UPDATE to a status names in its WHERE the statuses that lead there; nothing else moves a job.
EDGES: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.CANCELLED}),
    Status.RUNNING: frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLING, Status.QUEUED}),
    Status.CANCELLING: frozenset({Status.CANCELLED}),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}
TERMINAL = frozenset(status for status, onward in EDGES.items() if not onward)
# A worker holds the job: it has a lease.
HELD = frozenset({Status.RUNNING, Status.CANCELLING})


def leading_to(target: Status) -> frozenset[Status]:
    """The statuses from which `target` can be reached in one step."""
    return frozenset(status for status, onward in EDGES.items() if target in onward)
