"""What an owner of keys may have at once. While keys are off there are no such limits."""

from collections import Counter
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from sqlmodel import Session

from api.auth.caller import Caller
from api.auth.storage import check_bytes
from contract.errors import TooManyJobs, TooManyStreams, Unauthorized
from contract.jobs import queue_limit
from contract.settings import Settings

_JOBS_SECONDS = 10
_STREAMS_SECONDS = 10
# Any number that no other advisory lock has.
_BYTES_LOCK = 0x7062


def check_queue(session: Session, caller: Caller, settings: Settings, adding: int) -> None:
    """Raises TooManyJobs if `adding` more would be too many; TooManyBytes where nothing more may be
    stored, for they leave models. `session` goes on to store them.
    """
    if caller.key_id is None:
        return
    queue_limit.hold(session, caller.owner)
    waiting = queue_limit.waiting(session, caller.owner)
    if waiting + adding > settings.max_queued_jobs:
        raise TooManyJobs(
            f"{caller.owner} may have {settings.max_queued_jobs:,} jobs in the queue "
            f"(PLATEAU_MAX_QUEUED_JOBS), and has {waiting:,}; {adding:,} more do not fit: wait "
            "until some have run, or cancel some",
            _JOBS_SECONDS,
        )
    check_bytes(session, caller.owner, settings, 1)


def check_storage(session: Session, caller: Caller, settings: Settings, adding: int) -> None:
    """Raises TooManyBytes if `adding` bytes more of datasets and files of jobs would be too many.

    Final only in the transaction that goes on to store the dataset.
    """
    if caller.key_id is None:
        return
    queue_limit.one_at_a_time(session, _BYTES_LOCK, caller.owner)
    check_bytes(session, caller.owner, settings, adding)


@dataclass(eq=False)
class Place:
    """Of something that is open for longer than a look. Whose key has ended loses it."""

    key_id: str | None = None
    lost: bool = False

    def check(self) -> None:
        """Raises Unauthorized where it was lost."""
        if self.lost:
            raise Unauthorized(
                "The key was revoked, or has expired, while this was open.", "invalid_token"
            )


NOBODYS = Place()


class Streams:
    """What each owner has open, event streams and long polls, in this process alone."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._counts: Counter[str] = Counter()
        self._places: set[Place] = set()
        self._lock = Lock()

    @property
    def places(self) -> list[Place]:
        """Those of all that is open."""
        with self._lock:
            return list(self._places)

    @property
    def keys(self) -> set[str]:
        """The ids of the keys of all that is open."""
        return {place.key_id for place in self.places if place.key_id is not None}

    def lose(self, keys: Container[str]) -> None:
        """Take their places from these keys."""
        for place in self.places:
            place.lost = place.lost or place.key_id in keys

    @contextmanager
    def one_more(self, caller: Caller) -> Iterator[Place]:
        """Counts a stream for as long as it is entered. Raises TooManyStreams at once."""
        if caller.key_id is None:
            yield NOBODYS
            return
        with self._lock:
            if self._counts[caller.owner] >= self.limit:
                raise TooManyStreams(
                    f"{caller.owner} may have {self.limit:,} event streams and waits open "
                    "(PLATEAU_MAX_STREAMS), and has them: close one, or ask without waiting",
                    _STREAMS_SECONDS,
                )
            self._counts[caller.owner] += 1
        try:
            with self.uncounted(caller) as place:
                yield place
        finally:
            with self._lock:
                self._counts[caller.owner] -= 1

    @contextmanager
    def uncounted(self, caller: Caller) -> Iterator[Place]:
        """A place that ends with its key, for what is bounded otherwise."""
        place = Place(caller.key_id)
        with self._lock:
            self._places.add(place)
        try:
            yield place
        finally:
            with self._lock:
                self._places.discard(place)
