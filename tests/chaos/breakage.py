"""What `sitecustomize` does to the service's own modules, by the mutation's name."""

import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import Session, col

from contract.jobs import lifecycle, transition
from contract.store import status
from contract.store.artifacts import ArtifactDamaged, ArtifactStore, Stored
from contract.store.database import Database
from contract.store.status import HELD, Status
from contract.store.tables import Job

BREAKAGES: dict[str, Callable[[], None]] = {}


def breaks(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def register(breakage: Callable[[], None]) -> Callable[[], None]:
        BREAKAGES[name] = breakage
        return breakage

    return register


def replace(owner: Any, name: str, value: Any) -> None:
    """As monkeypatching: the name must be there already."""
    getattr(owner, name)
    setattr(owner, name, value)


@breaks("answer before the commit")
def _answer_before_the_commit() -> None:
    """Only in the API, where a writing session is that of a request."""

    @contextmanager
    def writing(self: Database) -> Iterator[Session]:
        session = Session(self._writer, expire_on_commit=False)
        yield session
        session.flush()
        session.expunge_all()
        threading.Timer(0.05, _commit, [session]).start()

    def _commit(session: Session) -> None:
        session.commit()
        session.close()

    replace(Database, "writing", writing)


@breaks("no fence")
def _no_fence() -> None:
    def where(self: transition.Claim) -> list[ColumnElement[bool]]:
        return [col(Job.id) == self.job_id, col(Job.status).in_(HELD)]

    replace(transition.Claim, "where", property(where))


@breaks("no lease")
def _no_lease() -> None:
    """Nobody takes a job from a worker that is gone."""
    replace(lifecycle, "reap", lambda *_, max_crashes: 0 * max_crashes)


@breaks("no queue watch")
def _no_queue_watch() -> None:
    from worker.duties.queue_watch import QueueWatch

    replace(QueueWatch, "_watch_queue", lambda _self: None)


@breaks("plain writes")
def _plain_writes() -> None:
    """Each checkpoint is written over the one before, as by `open(path, "wb")`."""
    from contract.jobs.reports import Checkpoint
    from worker.job.checkpoint_files import Checkpoints
    from worker.trainer.reporter import Reporter

    def keep(self: Reporter, checkpoint: Path) -> Checkpoint:
        key = f"jobs/{self._order.job_id}/checkpoints/only.npz"
        stored = self._store.put(key, checkpoint)
        checkpoint.unlink()
        return Checkpoint(stored.key, stored.sha256, bytes=stored.bytes)

    def put(self: ArtifactStore, key: str, source: Path) -> Stored:
        target, content = Path(self._path(key)), source.read_bytes()
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb", buffering=0) as file:
            file.write(content[: len(content) // 2])
            time.sleep(0.03)  # a larger checkpoint
            file.write(content[len(content) // 2 :])
        return Stored(key, hashlib.sha256(content).hexdigest(), len(content))

    replace(Reporter, "keep", keep)
    replace(ArtifactStore, "put", put)
    replace(Checkpoints, "_delete", lambda _self, _key: None)


@breaks("no hash")
def _no_hash() -> None:
    def fetch(self: ArtifactStore, key: str, _sha256: str, target: Path) -> None:
        try:
            shutil.copyfile(self._path(key), target)
        except FileNotFoundError as error:
            raise ArtifactDamaged(f"{key} is missing from the artifact store") from error

    replace(ArtifactStore, "fetch", fetch)


@breaks("no step back")
def _no_step_back() -> None:
    """Damage ends a job."""
    from worker.job.ledger import Ledger

    def fail(self: Ledger, damage: str) -> None:
        error = {"code": "checkpoint_damaged", "message": damage, "hint": "Retry the job."}
        self.end(lambda session: lifecycle.fail(session, self.held, error))

    replace(Ledger, "step_back", fail)


@breaks("crashes are not counted")
def _crashes_are_not_counted() -> None:
    def crashed(session: Session, held: transition.Claim, reason: str, **_: Any) -> bool:
        return lifecycle.release(session, held, reason)

    replace(lifecycle, "crashed", crashed)


@breaks("a cancel is forgotten")
def _a_cancel_is_forgotten() -> None:
    """A run that finishes has succeeded, whoever had asked it to stop."""
    replace(
        status,
        "EDGES",
        {**status.EDGES, Status.CANCELLING: frozenset({Status.CANCELLED, Status.SUCCEEDED})},
    )


@breaks("SIGTERM kills")
def _sigterm_kills() -> None:
    from worker.node import Node

    replace(Node, "drain", lambda self: self.slots.close())


@breaks("no word of a full disk")
def _no_word_of_a_full_disk() -> None:
    from api.http import problems

    replace(problems, "disk_full", lambda _error: False)


@breaks("short writes")
def _short_writes() -> None:
    """A raw file's write says how much it took, and nobody listens."""

    def put(self: ArtifactStore, key: str, source: Path) -> Stored:
        target, content = Path(self._path(key)), source.read_bytes()
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb", buffering=0) as file:
            file.write(content)
        return Stored(key, hashlib.sha256(content).hexdigest(), len(content))

    replace(ArtifactStore, "put", put)


@breaks("nothing is cleared")
def _nothing_is_cleared() -> None:
    from worker.job import checkpoint_files

    replace(checkpoint_files, "clear", lambda *_: None)
