"""How a request becomes a job: once, however often it comes with the same Idempotency-Key.

A key is its owner's, and is kept for as long as its job: a request that comes again much later
still starts no second run.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Header, Request, Response
from pydantic import Field, WithJsonSchema
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from api.auth import quotas
from api.auth.caller import AppCaller, Caller
from api.datasets import access as datasets
from api.jobs import render
from api.jobs.dependencies import Notify
from api.jobs.findings import AcceptedJob
from contract.errors import IdempotencyKeyReused, TooManyJobs
from contract.experiment.spec import Experiment
from contract.jobs import create
from contract.settings import Settings
from contract.store.database import Database
from contract.store.tables import Idempotency, Job

_KEY = r"^[!-~]{1,200}$"
IdempotencyKey = Annotated[
    Annotated[str, Field(pattern=_KEY)] | None,
    WithJsonSchema({"type": "string", "pattern": _KEY}),
    Header(
        alias="Idempotency-Key",
        description="1 to 200 visible ASCII characters of the client's choice, for one request: "
        "sent again with the same body, it is answered with the same job, as it is by then; with "
        "another body, by 409",
        examples=["6f9fd4f2-7c0b-4d1c-9f6a-0d4a3c1f5e11"],
    ),
]


class HasUrl(Protocol):
    @property
    def self(self) -> str: ...


class HasUrls(Protocol):
    """Says where it can be asked for."""

    @property
    def urls(self) -> HasUrl: ...


Accepted = TypeVar("Accepted", bound=HasUrls)
View = Callable[[Session, Job], Accepted]


@dataclass(frozen=True)
class Submission:
    """Makes the jobs of one request, and answers with them. `key` is its Idempotency-Key."""

    caller: Caller
    database: Database
    settings: Settings
    notify: Callable[[Job], None]
    response: Response
    key: str | None

    def earlier(self, asked: Any, view: View[Accepted]) -> Accepted | None:
        """What `view` makes of the first job that this key made before, if any.

        `asked` is what the request says, as JSON. Raises IdempotencyKeyReused where the key came
        with something else then.
        """
        if self.key is None:
            return None
        with self.database.reading() as session:
            first = session.get(Idempotency, (self.caller.owner, self.key))
            if first is None:
                return None
            if first.request != _digest(asked):
                raise IdempotencyKeyReused(
                    f"this Idempotency-Key came first with another request, which made "
                    f"{first.job_id}: send what was sent then, or another key"
                )
            told = view(session, session.get_one(Job, first.job_id))
        self.response.headers["Idempotent-Replayed"] = "true"
        return self._accepted(told)

    def queue(
        self, asked: Any, fill: Callable[[Session], Sequence[Job]], view: View[Accepted]
    ) -> Accepted:
        """Commit the jobs that `fill` makes, notify the broker, answer with a view of the first.

        Where another request with this key was quicker, it is that one's.
        """
        try:
            with self.database.writing() as session:
                jobs = fill(session)
                self._remember(session, jobs[0], asked)
                told = view(session, jobs[0])
        except (IntegrityError, TooManyJobs):
            # The quicker one is committed, and ours undone; its job may be what fills the queue.
            earlier = self.earlier(asked, view)
            if earlier is None:
                raise
            return earlier
        for job in jobs:
            self.notify(job)
        return self._accepted(told)

    def _remember(self, session: Session, job: Job, asked: Any) -> None:
        if self.key is not None:
            session.add(
                Idempotency(
                    owner=job.owner,
                    key=self.key,
                    request=_digest(asked),
                    job_id=job.id,
                    created_at=job.created_at,
                )
            )
            session.flush()

    def _accepted(self, told: Accepted) -> Accepted:
        self.response.headers.update({"Location": told.urls.self, "Retry-After": "1"})
        return told


def earlier_job(submission: Submission, asked: Any) -> AcceptedJob | None:
    """The job that the request's Idempotency-Key made before, as it is now, if any."""
    return submission.earlier(asked, partial(render.accepted, settings=submission.settings))


def queue_job(
    submission: Submission,
    asked: Any,
    experiment: Experiment,
    upload: dict[str, Any] | None,
    retry_of: str | None = None,
) -> AcceptedJob:
    """A new job, or the one of this key that was quicker. Raises as `admit`."""
    caller, settings = submission.caller, submission.settings

    # Before its turn to write comes, which others wait for.
    job = create.new(experiment, owner=caller.owner, upload=upload, retry_of=retry_of)

    def fill(session: Session) -> Sequence[Job]:
        admit(session, caller, settings, [experiment])
        create.submit(session, [job])
        return [job]

    return submission.queue(asked, fill, partial(render.accepted, settings=settings))


def admit(
    session: Session,
    caller: Caller,
    settings: Settings,
    experiments: Iterable[Experiment],
    jobs: int = 1,
) -> None:
    """Keep the uploads of `experiments` and room for so many `jobs` of them until the commit.

    Raises DatasetGone, TooManyJobs, TooManyBytes.
    """
    for experiment in {each.dataset.name: each for each in experiments}.values():
        datasets.hold(session, experiment)
    quotas.check_queue(session, caller, settings, adding=jobs)


def _digest(asked: Any) -> str:
    """SHA-256 of JSON, whatever its spaces and the order of its members.

    A recipe is not expanded: the same body stays the same request when the recipe has changed.
    """
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()


async def _submission(
    request: Request,
    response: Response,
    caller: AppCaller,
    notify: Notify,
    key: IdempotencyKey = None,
) -> Submission:
    app = request.app.state
    return Submission(caller, app.database, app.settings, notify, response, key)


AppSubmission = Annotated[Submission, Depends(_submission)]
