"""The checker: what became of the jobs, by what the service stored of them and nothing else."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlmodel import col, select

from contract.store import clock
from contract.store.database import Database
from contract.store.status import TERMINAL, Status
from contract.store.tables import Event, Job
from tests import jobs
from tests.sites import Curve, Site


@dataclass(frozen=True)
class Expected:
    """What must have become of a job; `curve` is that of an undisturbed run, bit for bit."""

    statuses: frozenset[str] = frozenset({"succeeded"})
    curve: Curve | None = None


@dataclass
class Findings:
    """`lost` and `duplicated` count jobs and epochs; `wrong` is what else must not be, in words."""

    lost: int = 0
    duplicated: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Hit:
    """A fault that these jobs have to recover from, by the database's clock."""

    job_ids: Sequence[str]
    at: datetime


def judge(site: Site, expected: Mapping[str, Expected]) -> Findings:
    """Compare each job's stored history with what must be."""
    findings = Findings()
    for job_id, wanted in expected.items():
        _judge(site, job_id, wanted, findings)
    return findings


def _judge(site: Site, job_id: str, wanted: Expected, findings: Findings) -> None:
    events = jobs.events(site.database, job_id)
    if not events:
        findings.lost += 1
        return
    told = Counter(event.data["epoch"] for event in events if event.type == "epoch")
    findings.duplicated += told.total() - len(told)
    faults = jobs.faults(events, jobs.epoch_rows(site.database, job_id))
    if (status := _last_status(events)) not in wanted.statuses:
        faults.append(f"it is {status}, expected {' or '.join(sorted(wanted.statuses))}")
    if wanted.curve is not None:
        curve = site.curve(job_id)
        findings.lost += max(0, len(wanted.curve) - len(curve))
        if curve != wanted.curve[: len(curve)]:
            faults.append("its curve is not that of an undisturbed run")
    findings.wrong += [f"{job_id}: {fault}" for fault in faults]


def recoveries(database: Database, hits: Iterable[Hit], *, from_queue: bool = False) -> list[float]:
    """For each hit that all its jobs recovered from: seconds until the last got on again.

    To get on is to finish an epoch, or to end; one that ended a moment before the fault had nothing
    to recover from. `from_queue`: the jobs waited to be trained at all, and may have been before
    the hit was over.
    """
    found = []
    for hit in hits:
        since = datetime.min.replace(tzinfo=UTC) if from_queue else hit.at
        times = [_got_on(jobs.events(database, id_), since) for id_ in hit.job_ids]
        if None not in times:
            seconds = [(at - hit.at).total_seconds() for at in times if at is not None]
            found.append(max([0.0, *seconds]))
    return found


def _got_on(events: Sequence[Event], since: datetime) -> datetime | None:
    ended = [event.at for event in events if event.data.get("status") in TERMINAL]
    epochs = [event.at for event in events if event.type == "epoch" and event.at > since]
    return min(epochs + [max(at, since) for at in ended], default=None)


def _last_status(events: Sequence[Event]) -> str:
    return str([event.data["status"] for event in events if event.type == "status"][-1])


def damages(database: Database, job_ids: Iterable[str]) -> int:
    """How often the jobs' events tell of a damaged checkpoint."""
    events = [event for job_id in job_ids for event in jobs.events(database, job_id)]
    return sum("its checkpoint is damaged" in event.data.get("reason", "") for event in events)


def time_now(database: Database) -> datetime:
    """By the clock that stamps the events."""
    with database.reading() as session:
        return clock.read(session)


def named(database: Database, names: Iterable[str]) -> Counter[str]:
    """How many jobs there are of each name."""
    with database.reading() as session:
        found = Counter(session.exec(select(Job.name)).all())
    return Counter({name: found[name] for name in names})


def unended(database: Database) -> Sequence[Job]:
    """The jobs that wait or train, the oldest first."""
    with database.reading() as session:
        wanted = select(Job).where(col(Job.status).not_in(TERMINAL)).order_by(col(Job.id))
        return session.exec(wanted).all()


def running(database: Database) -> Sequence[Job]:
    """Those of them that train."""
    return [job for job in unended(database) if job.status == Status.RUNNING]
