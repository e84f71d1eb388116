"""What is let go of jobs that ended long ago, and what the API then says of it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import col, select

from contract.jobs import lifecycle
from contract.settings import Settings
from contract.store import clock
from contract.store.artifacts import ArtifactStore
from contract.store.tables import Event, Job, Result, SignalRow
from tests import jobs
from tests.served import Api
from tests.sse import connected
from worker.duties import delete_old_files
from worker.duties.clock_drift import Drift
from worker.duties.delete_old_files import prune

DAY = timedelta(days=1)


def ended(api: Api, store: ArtifactStore, file: Path, days_ago: float) -> str:
    """A job that left a model and, as a worker that was killed late would, a checkpoint."""
    held = jobs.running(api.database)
    jobs.record(api.database, held, 1, 2)
    file.write_bytes(b"a model")
    store.put(f"jobs/{held.job_id}/checkpoints/1-2.npz", file)
    kept = store.put(f"jobs/{held.job_id}/1.keras", file)
    with api.database.writing() as session:
        jobs.succeed(session, held)
        session.add(SignalRow(job_id=held.job_id, kind="run", step=0, fence=1, document={}))
        session.get_one(Result, held.job_id).artifacts = {"model": vars(kept)}
        session.get_one(Job, held.job_id).finished_at = clock.read(session) - days_ago * DAY
    return held.job_id


def test_what_ended_long_ago_keeps_its_curve_alone(api: Api, tmp_path: Path) -> None:
    store = ArtifactStore(api.settings.artifacts_url)
    old, young = (ended(api, store, tmp_path / "file", days) for days in (1.01, 0.99))
    running = jobs.running(api.database)
    jobs.record(api.database, running, 1)
    before = api.get(f"/v1/jobs/{old}"), api.get(f"/v1/jobs/{old}/curves")
    for _ in range(2):  # the second time there is nothing to do
        prune(Settings(retain_days=1), api.database, store)
    assert (api.get(f"/v1/jobs/{old}"), api.get(f"/v1/jobs/{old}/curves")) == before
    told = api.refused(f"/v1/jobs/{old}/model", 410)
    assert told["type"] == "/problems/gone"
    assert "retry the job" in told["detail"]
    assert api.get(f"/v1/jobs/{old}/results")["artifacts"] == {}
    assert api.client.get(f"/v1/jobs/{young}/model").content == b"a model"
    folders = Path(api.settings.artifacts_url) / "jobs"
    assert (folders / young).is_dir()
    assert not (folders / old).exists()
    for job_id, seqs in ((old, [1, 2, 5]), (young, [1, 2, 3, 4, 5]), (running.job_id, [1, 2, 3])):
        assert [each.seq for each in jobs.events(api.database, job_id)] == seqs
    with api.database.reading() as session:
        of_both = col(SignalRow.job_id).in_([old, young]), SignalRow.kind == "run"
        measured = session.exec(select(SignalRow.job_id).where(*of_both)).all()
    assert measured == [young]


def test_a_look_begins_where_the_last_one_came_to(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was pruned is not looked at again, however much there is of it."""
    monkeypatch.setattr(delete_old_files, "_AT_ONCE", 2)
    store = ArtifactStore(api.settings.artifacts_url)
    settings = Settings(retain_days=1)
    old = [ended(api, store, tmp_path / "file", days) for days in (2.5, 4.5, 1.5, 3.5, 5.5)]
    since = prune(settings, api.database, store)
    assert [len(jobs.events(api.database, job_id)) for job_id in old] == [3] * 5
    with api.database.writing() as session:
        kept = Event(job_id=old[0], seq=3, type="epoch", data={}, at=clock.read(session))
        session.add(kept)
    younger = ended(api, store, tmp_path / "file", days_ago=0.99)
    with api.database.writing() as session:
        session.get_one(Job, younger).finished_at = since[0]
    assert prune(settings, api.database, store, since) > since
    assert len(jobs.events(api.database, younger)) == 3
    assert len(jobs.events(api.database, old[0])) == 4
    prune(settings, api.database, store)
    assert len(jobs.events(api.database, old[0])) == 3


def test_what_ended_is_found_by_an_index(sqlite_url: str) -> None:
    with jobs.empty_database(sqlite_url) as database:
        asked: list[Any] = []
        event.listen(
            database.engine, "before_cursor_execute", lambda *told: asked.append(told[2:4])
        )
        prune(Settings(retain_days=1), database, ArtifactStore("memory://"))
        [(statement, values)] = [each for each in asked if "FROM jobs" in each[0]]
        with database.engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    assert plan[0][-1].startswith("SEARCH jobs USING")
    assert "INDEX ix_jobs_finished_at_id" in plan[0][-1]


def test_what_was_kept_of_a_run_that_was_cut_short_goes_too(api: Api, tmp_path: Path) -> None:
    store, held = ArtifactStore(api.settings.artifacts_url), jobs.running(api.database)
    (tmp_path / "file").write_bytes(b"a checkpoint")
    kept = jobs.checkpoint(held, 0)
    store.put(kept.key, tmp_path / "file")
    with api.database.writing() as session:
        error = {"code": "time_limit", "message": "m", "hint": "h"}
        lifecycle.fail(session, held, error, kept)
        session.get_one(Job, held.job_id).finished_at = clock.read(session) - 2 * DAY
    for _ in range(2):
        prune(Settings(retain_days=1), api.database, store)
    assert not (Path(api.settings.artifacts_url) / "jobs" / held.job_id).exists()
    assert jobs.stored(api.database, held.job_id).checkpoint is None


def test_a_clock_that_jumped_ahead_deletes_nothing(api: Api, tmp_path: Path) -> None:
    """It jumped by two hours since the worker watches it, whose own clock stood still."""
    store, seconds = ArtifactStore(api.settings.artifacts_url), iter((0.0, 3600.0, -7200.0))
    drift = Drift(api.database, lambda: next(seconds))
    assert [drift.ahead(), drift.ahead()] == [0.0, 0.0]
    young = ended(api, store, tmp_path / "file", 1.01)
    prune(Settings(retain_days=1), api.database, store, drift=drift)
    assert api.client.get(f"/v1/jobs/{young}/model").content == b"a model"
    prune(Settings(retain_days=1), api.database, store)
    assert api.client.get(f"/v1/jobs/{young}/model").status_code == 410


def test_a_stream_of_what_is_left_comes_to_its_end(api: Api, tmp_path: Path) -> None:
    store = ArtifactStore(api.settings.artifacts_url)
    old = ended(api, store, tmp_path / "file", days_ago=2)
    prune(Settings(retain_days=1), api.database, store)
    for last, rest in (("0", ["1", "2", "5"]), ("3", ["5"])):
        path = f"/v1/jobs/{old}/events"
        with connected(api.client.base_url, path, last_event_id=last) as stream:
            stream.read_to_the_end()
        assert [message.id for message in stream.messages] == [*rest, None]


def test_by_default_everything_is_kept(api: Api, tmp_path: Path) -> None:
    store = ArtifactStore(api.settings.artifacts_url)
    old = ended(api, store, tmp_path / "file", days_ago=10_000)
    prune(Settings(), api.database, store)
    assert api.client.get(f"/v1/jobs/{old}/model").content == b"a model"
    jobs.check(api.database, old)
