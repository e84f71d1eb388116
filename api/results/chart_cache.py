"""Pictures that were drawn: those of jobs that have ended stay as they are."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from api.results.curve_lines import Format
from contract.store.status import TERMINAL
from contract.store.tables import Job

_LIMIT_BYTES = 16_000_000
_Key = tuple[str, int, Format]


class Drawn:
    """Of an app: what is asked for no more is pushed out by what is."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def picture(self, job: Job, format_: Format) -> bytes | None:
        """The job's picture, if it was drawn since its last event."""
        key = _key(job, format_)
        with self._lock:
            if (found := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
            return found

    def drawn(self, job: Job, format_: Format, draw: Callable[[], bytes]) -> bytes:
        """The kept picture, else what `draw` returns, which is then kept."""
        if (known := self.picture(job, format_)) is not None:
            return known
        picture = draw()
        if job.status in TERMINAL:
            self._keep(_key(job, format_), picture)
        return picture

    def _keep(self, key: _Key, picture: bytes) -> None:
        with self._lock:
            self._bytes += len(picture) - len(self._kept.pop(key, b""))
            self._kept[key] = picture
            while self._bytes > _LIMIT_BYTES:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= len(oldest)


def _key(job: Job, format_: Format) -> _Key:
    return job.id, job.events, format_
