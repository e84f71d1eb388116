"""Everything that can go wrong and that a user is told about.

PlateauError
├── Misdirected          421  for a host that this is not
├── Unauthorized         401  no key, or none that holds
├── Forbidden            403  the key's scopes do not allow it
├── CrossOrigin          403  a change that a page of another origin asks for
├── SpecRefused          422  the experiment cannot be built or is over the budget
├── DatasetRefused       422  an uploaded file is no dataset that can be trained on
├── NotFound             404
├── Gone                 410  it was there, and was not kept
├── Conflict             409  the job's status does not allow it
│   ├── NothingToTry          nor its diagnosis, or what it differs in: no run would tell more
│   ├── AskedOtherwise        of a thing that there is once, and that another request made
│   └── Unreadable            nor what another version stored, and this one cannot read
├── DatasetKept          409  a dataset that cannot be deleted, or not yet
├── DatasetGone          409  a job asked for on an upload that was deleted
├── IdempotencyKeyReused 409  it came before, with another request
├── Later                     what is asked for can be had later
│   ├── NotReady         409  results asked for before there are any
│   ├── TooMany          429  a limit is reached: which one, its class says
│   │   ├── TooManyRequests
│   │   ├── TooManyJobs
│   │   ├── TooManyBytes
│   │   ├── TooManyUploads
│   │   └── TooManyStreams
│   └── Unavailable      503
├── StorageFull          507
├── CheckpointUnusable        sends a job back to the checkpoint before, or to its start
└── RunFailed                 ends a job as failed, with code, message and hint
    └── DatasetUnavailable
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

_CHALLENGE = 'Bearer realm="Plateau"'


class PlateauError(Exception):
    """`status` is the HTTP answer, `title` its short name for people, `headers` go with it."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    headers: Mapping[str, str] = {}


class Misdirected(PlateauError):
    status = 421
    title = "This service does not answer to that name"


class CrossOrigin(PlateauError):
    status = 403
    title = "Pages of other origins may change nothing here"


class Unauthorized(PlateauError):
    """`error` is RFC 6750's name of the fault; none where no key was sent."""

    status = 401
    title = "A key is needed"

    def __init__(self, detail: str, error: str | None = None) -> None:
        super().__init__(detail)
        self.headers = {"WWW-Authenticate": _CHALLENGE + (f', error="{error}"' if error else "")}


class Forbidden(PlateauError):
    """`scope` is what the key would need."""

    status = 403
    title = "The key does not allow this"

    def __init__(self, detail: str, scope: str) -> None:
        super().__init__(detail)
        challenge = f'{_CHALLENGE}, error="insufficient_scope", scope="{scope}"'
        self.headers = {"WWW-Authenticate": challenge}


class SpecRefused(PlateauError):
    """`pointer` is a JSON pointer (RFC 6901) into the experiment; `more` are further faults."""

    status = 422
    title = "The experiment cannot be accepted"

    def __init__(self, pointer: str, detail: str, more: "Sequence[SpecRefused]" = ()) -> None:
        super().__init__(f"{pointer}: {detail}" + (f" ({len(more)} more below)" if more else ""))
        self.pointer = pointer
        self.detail = detail
        self.more = more


class DatasetRefused(PlateauError):
    status = 422
    title = "The dataset cannot be accepted"


class NotFound(PlateauError):
    status = 404
    title = "Not found"


class Gone(PlateauError):
    status = 410
    title = "Not kept any longer"


class Conflict(PlateauError):
    status = 409
    title = "The job's status does not allow this"


class NothingToTry(Conflict):
    title = "There is nothing to be tried here"


class AskedOtherwise(Conflict):
    title = "It was asked for in another way before"


class Unreadable(Conflict):
    title = "Another version of the service stored this"


class DatasetKept(PlateauError):
    status = 409
    title = "The dataset cannot be deleted"


class DatasetGone(PlateauError):
    status = 409
    title = "The dataset was deleted"


class IdempotencyKeyReused(PlateauError):
    status = 409
    title = "The Idempotency-Key belongs to another request"


class Later(PlateauError):
    """Worth asking again: `retry_after` is in seconds."""

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.headers = {"Retry-After": str(retry_after)}


class NotReady(Later):
    status = 409
    title = "Not there yet"


class TooMany(Later):
    status = 429


class TooManyRequests(TooMany):
    title = "Too many requests with this key"


class TooManyJobs(TooMany):
    title = "Too many jobs wait already"


class TooManyBytes(TooMany):
    title = "Too much is stored already"


class TooManyUploads(TooMany):
    title = "Too many uploads are under way already"


class TooManyStreams(TooMany):
    title = "Too many streams are open already"


class Unavailable(Later):
    status = 503
    title = "Not available at the moment"


class StorageFull(PlateauError):
    status = 507
    title = "There is no room left to store this"


class CheckpointUnusable(PlateauError):
    """Damaged, or written by a version whose checkpoints are others: what it says follows "it"."""

    title = "The checkpoint cannot be gone on from"


class RunFailed(PlateauError):
    """Ends a job as failed: `code` for programs, the message and `hint` for people."""

    title = "The run failed"

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class DatasetUnavailable(RunFailed):
    """The dataset's file is neither in the data folder nor to be downloaded."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__("dataset_unavailable", message, hint)
