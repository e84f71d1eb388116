"""Real worker processes with a trainer that needs no TensorFlow, and the things that end them."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlmodel import col, select

from contract.jobs import lifecycle
from contract.store.artifacts import ArtifactStore
from contract.store.status import TERMINAL
from contract.store.tables import Job
from tests import jobs, processes, proofs, uploaded
from tests.fake_trainer import DEAF, HOARDER, POISON, UNFIT
from tests.sites import FAKE, ROOT, Site, site_on

EPOCHS = 12
WHOLE = list(range(1, EPOCHS + 1))


def experiment(
    name: str = "fake", *, seed: int = 0, device: str = "any", **training: object
) -> Mapping[str, object]:
    return {
        "name": name,
        "dataset": {"name": "digits"},
        "model": {"layers": [{"type": "Flatten"}, {"type": "Dense", "units": 10}]},
        "training": {
            "optimizer": {"type": "SGD"},
            "loss": "categorical_crossentropy",
            "epochs": EPOCHS,
            "seed": seed,
            **training,
        },
        "device": device,
    }


@pytest.fixture(params=["embedded", "services"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """SQLite and the in-process broker; Postgres and Redis."""
    embedded = request.param == "embedded"
    url = request.getfixturevalue("sqlite_url" if embedded else "postgres_url")
    broker = "memory://" if embedded else request.getfixturevalue("redis_url")
    with site_on(url, broker, tmp_path, **FAKE) as site:
        yield site


@pytest.fixture
def embedded(sqlite_url: str, tmp_path: Path) -> Iterator[Site]:
    with site_on(sqlite_url, "memory://", tmp_path, **FAKE) as site:
        yield site


def test_jobs_are_trained_without_any_ring(site: Site) -> None:
    ids = [site.submit(experiment(seed=seed)) for seed in range(5)]
    with site.worker() as worker:
        jobs = site.wait_for_end(*ids)
        assert worker.terminate() == 0
    assert {job.status for job in jobs} == {"succeeded"}
    assert {job.attempts for job in jobs} == {1}
    for id_ in ids:
        assert [epoch for epoch, _ in site.curve(id_)] == WHOLE
        assert site.statuses(id_) == ["queued", "running", "succeeded"]


def test_a_killed_trainer_costs_no_epoch(site: Site) -> None:
    undisturbed, killed = site.submit(experiment(seed=7)), site.submit(experiment(seed=7))
    with site.worker(PLATEAU_FAKE_EPOCH_SECONDS="0.1") as worker:
        for epoch in (3, 7):
            site.wait_for_epoch(killed, epoch)
            os.kill(worker.trainer_pid(killed), signal.SIGKILL)
            attempt = site.job(killed).attempts
            site.wait_for_attempt(killed, attempt + 1)
        job, _ = site.wait_for_end(killed, undisturbed)
    assert (job.status, job.attempts, job.crashes) == ("succeeded", 3, 0)
    assert site.curve(killed) == site.curve(undisturbed)


def test_poison_fails_and_harms_nobody(embedded: Site) -> None:
    poison, other = embedded.submit(experiment(POISON)), embedded.submit(experiment())
    with embedded.worker():
        dead, alive = embedded.wait_for_end(poison, other)
    assert (dead.status, dead.attempts, alive.status) == ("failed", 3, "succeeded")
    assert dead.error is not None
    assert dead.error["code"] == "crashed"
    assert "signal 9" in dead.error["message"]


def test_sigterm_gives_jobs_back_unharmed(site: Site) -> None:
    id_ = site.submit(experiment())
    with site.worker(PLATEAU_FAKE_EPOCH_SECONDS="0.2") as worker:
        site.wait_for_epoch(id_, 2)
        assert worker.terminate() == 0
    given_back = site.job(id_)
    assert (given_back.status, given_back.crashes, given_back.worker_id) == ("queued", 0, None)
    with site.worker():
        (job,) = site.wait_for_end(id_)
    assert (job.status, job.attempts) == ("succeeded", 2)
    assert [epoch for epoch, _ in site.curve(id_)] == WHOLE


def test_a_killed_worker_is_reaped_and_its_trainer_leaves(site: Site) -> None:
    id_ = site.submit(experiment())
    with site.worker(PLATEAU_FAKE_EPOCH_SECONDS="0.2") as first:
        site.wait_for_epoch(id_, 2)
        trainer = first.trainer_pid(id_)
        first.process.kill()
        with site.worker():
            (job,) = site.wait_for_end(id_)
        processes.wait_for("the orphan to leave", lambda: not processes.exists(trainer))
    assert (job.status, job.attempts) == ("succeeded", 2)
    assert [epoch for epoch, _ in site.curve(id_)] == WHOLE


def test_a_proof_outlives_the_workers_that_run_it(site: Site) -> None:
    id_ = proofs.started(site.database)
    with site.worker(PLATEAU_FAKE_EPOCH_SECONDS="0.2") as first:
        processes.wait_for("two runs", lambda: ended(site, id_) >= 2)
        first.process.kill()
    with site.worker(), site.worker():
        processes.wait_for("the proof", lambda: proofs.stored(site.database, id_).status == "done")
    assert {run.status for run in proofs.runs(site.database, id_)} == {"succeeded"}
    assert proofs.stored(site.database, id_).round == 1
    told = [event.type for event in jobs.events(site.database, id_)]
    assert told.count("diagnosis") == 1
    assert "reaches 85.0 %" in (site.job(id_).headline or "")


def test_a_worker_that_slept_past_its_lease_writes_nothing_more(site: Site) -> None:
    id_ = site.submit(experiment())
    with site.worker(PLATEAU_FAKE_EPOCH_SECONDS="0.2") as sleeper:
        site.wait_for_epoch(id_, 2)
        stale = sleeper.trainer_pid(id_)
        with site.at_rest():
            sleeper.process.send_signal(signal.SIGSTOP)
        with site.worker(PLATEAU_FAKE_EPOCH_SECONDS="0.2"):
            processes.wait_for("the other to take over", lambda: site.job(id_).attempts == 2)
            sleeper.process.send_signal(signal.SIGCONT)
            (job,) = site.wait_for_end(id_)
        processes.wait_for(
            "the stale trainer to go", lambda: not processes.exists(stale), seconds=10
        )
        assert sleeper.process.poll() is None
    assert (job.status, job.attempts) == ("succeeded", 2)
    assert [epoch for epoch, _ in site.curve(id_)] == WHOLE


# Looks at leases often, and renews its own late.
WATCHFUL = {
    "PLATEAU_HEARTBEAT_SECONDS": "1.2",
    "PLATEAU_REAP_SECONDS": "0.05",
    "PLATEAU_FAKE_EPOCH_SECONDS": "1.2",
    "PLATEAU_SLOTS": "1",
}


def set_clock(site: Site, seconds: float) -> None:
    """Set the database's clock ahead (negative: back), as far as leases can tell: what lies
    between them and the clock."""
    with site.database.writing() as session:
        for job in session.exec(select(Job).where(col(Job.lease_expires_at).is_not(None))):
            assert job.lease_expires_at is not None
            job.lease_expires_at -= timedelta(seconds=seconds)


@pytest.mark.parametrize("idle", [False, True])
def test_a_clock_that_jumps_ahead_costs_nobody_a_job(site: Site, idle: bool) -> None:
    """Neither the worker itself nor another takes the job of one that lives."""
    id_ = site.submit(experiment(epochs=4))
    with ExitStack() as stack:
        stack.enter_context(site.worker(**WATCHFUL))
        site.wait_for_epoch(id_, 1)
        if idle:
            stack.enter_context(site.worker(**WATCHFUL))
        for epoch in (1, 2, 3):
            site.wait_for_epoch(id_, epoch)
            set_clock(site, 3600)
        (job,) = site.wait_for_end(id_)
    assert (job.status, job.attempts, job.crashes) == ("succeeded", 1, 0)


def test_a_clock_that_is_set_back_delays_no_recovery(site: Site) -> None:
    id_ = site.submit(experiment())
    with site.worker(PLATEAU_FAKE_EPOCH_SECONDS="0.2") as first, ExitStack() as stack:
        site.wait_for_epoch(id_, 2)
        first.process.kill()
        first.process.wait()
        set_clock(site, -3 * 3600)
        stack.enter_context(site.worker())
        processes.wait_for("a takeover", lambda: site.job(id_).attempts == 2, seconds=20)
        (job,) = site.wait_for_end(id_)
    assert job.status == "succeeded"
    assert [epoch for epoch, _ in site.curve(id_)] == WHOLE


def test_a_busy_worker_is_not_taken_for_a_deaf_one(embedded: Site) -> None:
    ids = [embedded.submit(experiment(seed=seed)) for seed in range(3)]
    with embedded.worker(
        PLATEAU_SLOTS="1", PLATEAU_IDLE_EXIT_SECONDS="1.5", PLATEAU_FAKE_EPOCH_SECONDS="0.25"
    ) as worker:
        jobs = embedded.wait_for_end(*ids)
        assert worker.process.poll() is None
    assert {job.status for job in jobs} == {"succeeded"}


def test_cancel_sticks(site: Site) -> None:
    running, queued = site.submit(experiment()), site.submit(experiment())
    with site.worker(PLATEAU_SLOTS="1", PLATEAU_FAKE_EPOCH_SECONDS="0.3") as worker:
        site.wait_for_epoch(running, 2)
        for id_ in (running, queued):
            with site.database.writing() as session:
                lifecycle.cancel(session, id_)
        assert site.job(queued).status == "cancelled"
        (job,) = site.wait_for_end(running)
        assert worker.terminate() == 0
    with site.worker():
        after = site.submit(experiment())
        site.wait_for_end(after)
    assert site.statuses(running) == ["queued", "running", "cancelling", "cancelled"]
    assert site.statuses(queued) == ["queued", "cancelled"]
    assert job.epoch < EPOCHS
    assert [epoch for epoch, _ in site.curve(running)] == WHOLE[: job.epoch]


def test_a_job_goes_only_where_its_device_is(site: Site) -> None:
    gpu, cpu = site.submit(experiment(device="gpu")), site.submit(experiment(device="cpu"))
    with site.worker(PLATEAU_QUEUES="cpu,any") as worker:
        site.wait_for_end(cpu)
        assert site.job(gpu).status == "queued"
        assert "devices cpu, queues cpu, any" in worker.log.read_text()
    with site.worker(PLATEAU_QUEUES="gpu", PLATEAU_FAKE_DEVICES="cpu,gpu"):
        (job,) = site.wait_for_end(gpu)
    assert (job.status, job.attempts) == ("succeeded", 1)


def test_a_node_without_disk_gives_jobs_back_and_fails_none(embedded: Site) -> None:
    id_ = embedded.submit(experiment(UNFIT))
    with embedded.worker():
        embedded.wait_for_attempt(id_, 2)
    job = embedded.job(id_)
    assert (job.status in ("queued", "running"), job.crashes, job.error) == (True, 0, None)


def test_a_job_too_big_for_the_disk_lets_others_pass_and_fails(embedded: Site) -> None:
    unfit = embedded.submit(experiment(UNFIT))
    others = [embedded.submit(experiment(seed=seed)) for seed in range(5)]
    with embedded.worker(PLATEAU_SLOTS="1", PLATEAU_MAX_REFUSALS="2"):
        (failed,) = embedded.wait_for_end(unfit)
        trained = embedded.wait_for_end(*others)
    assert {job.status for job in trained} == {"succeeded"}
    assert failed.finished_at is not None
    assert all(job.finished_at and job.finished_at < failed.finished_at for job in trained)
    assert (failed.status, failed.refusals, failed.crashes) == ("failed", 2, 0)
    assert failed.error is not None
    assert failed.error["code"] == "storage_full"
    assert "No space left on device" in failed.error["message"]


def test_a_run_ends_when_its_time_is_up_and_keeps_what_it_reached(site: Site) -> None:
    """The time of all attempts: neither of the two takes as long as it may, and both do."""
    id_ = site.submit(experiment(max_seconds=4, epochs=200))
    with site.worker(PLATEAU_FAKE_EPOCH_SECONDS="0.25") as worker:
        site.wait_for_epoch(id_, 4)
        assert worker.terminate() == 0
    assert site.job(id_).status == "queued"
    with site.worker(PLATEAU_FAKE_EPOCH_SECONDS="0.25") as worker:
        (job,) = site.wait_for_end(id_)
        after = site.submit(experiment())
        assert site.wait_for_end(after)[0].status == "succeeded", "the slot is free"
        assert worker.terminate() == 0
    assert job.error is not None
    assert (job.status, job.error["code"], job.crashes) == ("failed", "time_limit", 0)
    assert 4 <= job.epoch <= 16
    assert [epoch for epoch, _ in site.curve(id_)] == list(range(1, job.epoch + 1))
    assert job.checkpoint is not None
    kept = [file.name for file in (site.artifacts / "jobs" / id_).rglob("*") if file.is_file()]
    assert kept == [Path(job.checkpoint["key"]).name]


def test_a_run_that_reaches_no_step_boundary_is_ended_too(embedded: Site) -> None:
    id_ = embedded.submit(experiment(DEAF))
    with embedded.worker(PLATEAU_MAX_TRAIN_SECONDS="0.5", PLATEAU_CANCEL_GRACE_SECONDS="0.5"):
        (job,) = embedded.wait_for_end(id_)
    assert job.error is not None
    assert (job.status, job.error["code"], job.attempts) == ("failed", "time_limit", 1)


def test_a_trainer_that_is_told_to_go_gets_no_second_job(embedded: Site) -> None:
    id_ = embedded.submit(experiment())
    with embedded.worker(PLATEAU_FAKE_EPOCH_SECONDS="0.1") as worker:
        embedded.wait_for_epoch(id_, 2)
        os.kill(worker.trainer_pid(id_), signal.SIGTERM)
        (job,) = embedded.wait_for_end(id_)
    assert (job.status, job.attempts, job.crashes) == ("succeeded", 2, 0)


@pytest.mark.parametrize("moment", ["taken", "untaken"])
def test_an_order_that_meets_a_sigterm_is_no_crash(embedded: Site, moment: str) -> None:
    """Between an order and its beginning, where the trainer leaves without a word."""
    id_ = embedded.submit(experiment())
    trainer = {"PLATEAU_TRAINER": "tests.terminated_trainer", "PLATEAU_FAKE_TERMINATED": moment}
    with embedded.worker(**trainer):
        (job,) = embedded.wait_for_end(id_)
    assert (job.status, job.attempts) == ("succeeded", 2)
    told = [event.data for event in jobs.events(embedded.database, id_) if event.type == "status"]
    assert told[2] == {"status": "queued", "reason": "its trainer was asked to stop"}


def test_a_trainer_that_keeps_too_much_is_replaced(embedded: Site) -> None:
    ids = [embedded.submit(experiment(HOARDER, epochs=1)) for _ in range(3)]
    with embedded.worker(PLATEAU_SLOTS="1", PLATEAU_MAX_IDLE_BYTES="60000000") as worker:
        done = embedded.wait_for_end(*ids)
        assert worker.terminate() == 0
    assert {(job.status, job.attempts) for job in done} == {("succeeded", 1)}
    pids = re.findall(r"attempt 1, trainer (\d+)", worker.log.read_text())
    assert len(pids) == 3
    assert pids[0] == pids[1] != pids[2], "two leave 80 MB, which is too much"


def test_what_is_left_of_a_cancelled_job_is_its_curve(embedded: Site) -> None:
    id_ = embedded.submit(experiment())
    with embedded.worker(PLATEAU_FAKE_EPOCH_SECONDS="0.1"):
        embedded.wait_for_epoch(id_, 2)
        with embedded.database.writing() as session:
            lifecycle.cancel(session, id_)
        embedded.wait_for_end(id_)
        artifacts = embedded.folder / "var" / "artifacts" / "jobs" / id_
        processes.wait_for("its checkpoint to go", lambda: not list(artifacts.rglob("*.npz")))
    scratch = embedded.folder / "var" / "scratch"
    processes.wait_for("its trainers to go", lambda: not list(scratch.iterdir()))


def test_an_uploaded_dataset_comes_from_the_store(embedded: Site) -> None:
    file = embedded.folder / "dataset.npz"
    upload = uploaded.write(file, "classification")
    ArtifactStore(str(embedded.folder / "var" / "artifacts")).put(upload.key, file)
    spec = {**experiment(), "dataset": {"name": uploaded.ID}}
    ids = [embedded.submit(spec, upload) for _ in range(3)]
    other = {**experiment(), "dataset": {"name": f"ds_{'1' * 26}"}}
    lost = embedded.submit(other, replace(upload, key="datasets/lost.npz", sha256="0" * 64))
    with embedded.worker():
        *jobs, failed = embedded.wait_for_end(*ids, lost)
    assert {job.status for job in jobs} == {"succeeded"}
    kept = np.load(embedded.folder / "var" / "arrays" / uploaded.ID / "x_train.npy")
    assert np.array_equal(kept, uploaded.arrays("classification")["x_train"])
    assert (failed.status, failed.attempts) == ("failed", 1)
    assert failed.error is not None
    assert failed.error["code"] == "dataset_unavailable"
    assert "datasets/lost.npz is missing" in failed.error["message"]


def test_a_worker_without_the_device_it_should_serve_says_so(embedded: Site) -> None:
    ended = ended_at_once(embedded.environment | {"PLATEAU_QUEUES": "gpu"})
    assert "PLATEAU_QUEUES is gpu, but there is no such device" in ended


def test_a_worker_without_a_database_says_so(tmp_path: Path) -> None:
    environment = {**FAKE, "PLATEAU_VAR_DIR": str(tmp_path), "PLATEAU_SLOTS": "1"}
    assert "python -m migrations" in ended_at_once(environment)


def ended_at_once(environment: Mapping[str, str]) -> str:
    """What a worker says that does not start."""
    ended = subprocess.run(
        [sys.executable, "-m", "worker"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    return ended.stderr


def ended(site: Site, job_id: str) -> int:
    """How many runs of the job's proof have."""
    return sum(run.status in TERMINAL for run in proofs.runs(site.database, job_id))
