"""How a request becomes a job: once, however often it comes with the same Idempotency-Key.

A key is its owner's, and is kept for as long as its job: a request that comes again much later
still starts no second run.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import BackgroundTasks, Depends, Header, Request, Response
from pydantic import Field, WithJsonSchema
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from api.auth.caller import Caller, identify
from api.datasets import access as datasets
from api.jobs import render
from api.jobs.batches import Asked, Submissions
from api.jobs.dependencies import notify_of
from api.jobs.findings import AcceptedJob, accepted
from api.jobs.queries import JobRow
from contract.errors import IdempotencyKeyReused, NotFound
from contract.experiment.datasets import CATALOGUE
from contract.experiment.spec import Experiment
from contract.jobs.variants import experiment_of
from contract.settings import Settings
from contract.store import deadline
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
    """Stores the jobs of one request, and answers with them. `key` is its Idempotency-Key."""

    caller: Caller
    database: Database
    settings: Settings
    submissions: Submissions
    notify: Callable[[JobRow], None]
    response: Response
    key: str | None

    async def earlier(self, asked: Any) -> AcceptedJob | None:
        """The job that this key made before, if any; `asked` is what the request says, as JSON.

        Raises IdempotencyKeyReused where it said something else then.
        """
        if self.key is None:
            return None
        return await run_in_threadpool(self.replay, asked, self._view)

    async def upload(self, experiment: Experiment) -> dict[str, Any] | None:
        """What the job keeps of the caller's upload that `experiment` names."""
        if experiment.dataset.name in CATALOGUE:
            return None
        owner = self.caller.owner
        return await run_in_threadpool(datasets.upload_of, self.database, experiment, owner)

    async def store(
        self,
        asked: Any,
        experiment: Experiment,
        upload: dict[str, Any] | None = None,
        retry_of: str | None = None,
    ) -> AcceptedJob:
        """A new job, unless another request with this key was quicker.

        Raises TooManyJobs, DatasetGone.
        """
        digest = _digest(asked) if self.key else ""
        until = deadline.until()
        new = Asked(self.caller, experiment, upload, retry_of, self.key, digest, until)
        try:
            stored = await self.submissions.store(new)
        except IntegrityError:
            # Another process was quicker: its row is committed now, and ours is undone.
            stored = None
            if self.key is None:
                raise
        if stored is None:
            earlier = await self.earlier(asked)
            if earlier is None:
                raise NotFound("The job that this Idempotency-Key made was deleted just now.")
            return earlier
        self.notify(stored.job)
        view = render.submitted(stored.job, stored.queue)
        return self._accepted(accepted(view, experiment, upload))

    def replay(self, asked: Any, view: View[Accepted]) -> Accepted | None:
        """What `view` makes of the first job that this key made before; else as `earlier`."""
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
        except IntegrityError:
            # The row of the quicker one was committed meanwhile, and ours is undone.
            earlier = self.replay(asked, view)
            if earlier is None:
                raise
            return earlier
        for job in jobs:
            self.notify(job)
        return self._accepted(told)

    def _view(self, session: Session, job: Job) -> AcceptedJob:
        view = render.job(session, job, self.settings)
        return accepted(view, experiment_of(job), job.upload)

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


def _digest(asked: Any) -> str:
    """SHA-256 of JSON, whatever its spaces and the order of its members.

    A recipe is not expanded: the same body stays the same request when the recipe has changed.
    """
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()


async def _submission(
    request: Request, response: Response, background: BackgroundTasks, key: IdempotencyKey = None
) -> Submission:
    """Asks itself for what it needs: as dependencies of its own those would cost 30 us each."""
    app, caller = request.app.state, await identify(request)
    notify = await notify_of(request, background)
    return Submission(caller, app.database, app.settings, app.submissions, notify, response, key)


AppSubmission = Annotated[Submission, Depends(_submission)]
