"""Stored is whole: a disk that fills at any point leaves nothing half, or that no row names.

All that the service writes lies on that disk: the body of an upload, what is made of it on the way,
its file in the store and its row; a run's checkpoints and its model, in its scratch folder and in
the store, and its rows.
"""

import hashlib
import io
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import numpy as np
from sqlmodel import select

from contract.store.tables import Dataset, Event, Result
from tests import processes
from tests.chaos.disk import Ballast, NotPossible, full_places, small_disk
from tests.chaos.judge import Expected, judge
from tests.chaos.outcome import Outcome
from tests.chaos.schedule import Fault, schedule
from tests.chaos.stage import Stage
from tests.sites import Curve, Site, site_on

MEGABYTES = 20
# What a file of the fake trainer has, and somewhat more than an upload or a job writes.
FILE_BYTES = 300_000
ROWS = 20_000
NEEDS = {"upload": 2_500_000, "job": 900_000}
EPOCHS = 5
# Of a job, in which the disk may begin to be full.
LIFE_SECONDS = 0.3
HEAD = b"a,b,label\n"


def run_really(stage: Stage, faults: int) -> Outcome:
    """Jobs alone, with trainers that train: of 8,000 parameters."""
    return run(stage, faults, {"job": 60_000}, 1.0, PLATEAU_TRAINER="worker.trainer")


def run(
    stage: Stage,
    faults: int,
    needs: Mapping[str, int] = NEEDS,
    life_seconds: float = LIFE_SECONDS,
    **more: str,
) -> Outcome:
    """Uploads and jobs, each while the disk is filled but for a random rest of what they need."""
    try:
        with small_disk(stage.site.folder / "disk", MEGABYTES) as disk:
            environment = stage.site.environment | {
                "PLATEAU_VAR_DIR": str(disk),
                "PLATEAU_DATABASE_URL": f"sqlite:///{disk}/plateau.sqlite3",
                "PLATEAU_FAKE_FILE_BYTES": str(FILE_BYTES),
                "PLATEAU_FAKE_EPOCH_SECONDS": str(LIFE_SECONDS / EPOCHS),
                **more,
            }
            url = environment["PLATEAU_DATABASE_URL"]
            with site_on(url, "memory://", stage.site.folder, **environment) as site:
                trial = Trial(replace(stage, site=site), Ballast(disk), needs, life_seconds)
                return trial.run(faults)
    except NotPossible as reason:
        return Outcome(0, skipped=str(reason))


@dataclass
class Trial:
    """A service on the small disk, and what became of what was asked of it."""

    stage: Stage
    ballast: Ballast
    needs: Mapping[str, int]
    life_seconds: float
    outcome: Outcome = field(default_factory=lambda: Outcome(0))
    told: Counter[str] = field(default_factory=Counter)
    curve: Curve = field(default_factory=list)

    def run(self, faults: int) -> Outcome:
        with ExitStack() as stack:
            keeper = stack.enter_context(self.stage.keeper())
            keeper.workers(1, PLATEAU_SLOTS="1")
            self.client = stack.enter_context(httpx.Client(base_url=keeper.api()[1], timeout=60))
            undisturbed = self.stage.submit(0, epochs=EPOCHS)
            self.stage.wait_for("the undisturbed run", undisturbed)
            self.curve = self.site.curve(undisturbed)
            self._delete(f"/v1/jobs/{undisturbed}")
            for fault in schedule(self.stage.seed, list(self.needs), faults, lasts=(0.1, 1.0)):
                (self.upload if fault.kind == "upload" else self.job)(fault)
                self.outcome.faults += 1
            self.check_nothing_is_left()
        places = full_places(self.site.folder)
        told = ", ".join(f"{count} {what}" for what, count in sorted(self.told.items()))
        found = ", ".join(f"{place} {count}" for place, count in places.most_common())
        self.outcome.measured = f"{told}; the disk was full {places.total()} times, in {found}"
        return self.outcome

    @property
    def site(self) -> Site:
        return self.stage.site

    def upload(self, fault: Fault) -> None:
        table = _table(fault)
        self.ballast.fill(round(fault.pick * self.needs["upload"]))
        try:
            answer = _send(self.client, table)
        finally:
            self.ballast.drop()
        self.told[f"{answer.status_code} for an upload"] += 1
        if answer.status_code not in (201, 507):
            self.outcome.wrong.append(f"an upload was answered with {answer.text}")
        if answer.status_code == 201:
            self._check_dataset(str(answer.json()["id"]), table)

    def job(self, fault: Fault) -> None:
        """The disk fills at some moment of its life, and for a while."""
        job_id = self.stage.submit(0, epochs=EPOCHS)
        time.sleep(fault.at * 1000 % 1 * self.life_seconds)
        self.ballast.fill(round(fault.pick * self.needs["job"]))
        time.sleep(fault.lasts)
        self.ballast.drop()
        self.stage.wait_for("a job", job_id)
        self.outcome.found(judge(self.site, {job_id: Expected(curve=self.curve)}))
        self.told["jobs given back"] += self.site.job(job_id).attempts > 1
        with self.site.database.reading() as session:
            artifacts = session.get_one(Result, job_id).artifacts.values()
        for kept in artifacts:
            self._check(kept["key"], kept["sha256"], kept["bytes"])
        self._wait_until_named(job_id, {kept["key"] for kept in artifacts})
        self._delete(f"/v1/jobs/{job_id}")
        self._wait_until_named(job_id, set())

    def check_nothing_is_left(self) -> None:
        """All that was accepted is deleted by now."""
        var = Path(self.site.environment["PLATEAU_VAR_DIR"])
        folders = [self.site.artifacts, var / "uploads", var / "scratch"]

        def left() -> list[Path]:
            return [path for folder in folders for path in _files(folder)]

        try:
            processes.wait_for("what is left to go", lambda: not left(), 30)
        except AssertionError:
            self.outcome.wrong += [f"{path} is left" for path in left()]
        with self.site.database.reading() as session:
            orphans = session.exec(select(Event.job_id)).all()
        self.outcome.wrong += [f"events of {job_id} are left" for job_id in set(orphans)]

    def _check_dataset(self, id_: str, table: bytes) -> None:
        with self.site.database.reading() as session:
            row = session.get_one(Dataset, id_)
        content = self._check(row.key, row.sha256, row.bytes)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            x = np.concatenate([arrays["x_train"], arrays["x_test"]])
        sent = np.loadtxt(io.BytesIO(table), delimiter=",", skiprows=1, usecols=(0, 1))
        if not np.array_equal(np.sort(x[:, 0]), np.sort(sent[:, 0]).astype(np.float32)):
            self.outcome.wrong.append(f"{id_} is not what was sent")
        self._delete(f"/v1/datasets/{id_}")

    def _check(self, key: str, sha256: str, size: int) -> bytes:
        content = (self.site.artifacts / key).read_bytes()
        if len(content) != size or hashlib.sha256(content).hexdigest() != sha256:
            self.outcome.wrong.append(f"{key} is not whole: {len(content)} bytes of {size}")
        return content

    def _wait_until_named(self, job_id: str, keys: set[str]) -> None:
        folder = self.site.artifacts / "jobs" / job_id
        wanted = {self.site.artifacts / key for key in keys}
        processes.wait_for(f"{keys} alone", lambda: set(_files(folder)) == wanted, 30)

    def _delete(self, path: str) -> None:
        answer = self.client.delete(path)
        if answer.status_code != 204:
            self.outcome.wrong.append(f"{path} could not be deleted: {answer.text}")


def _table(fault: Fault) -> bytes:
    """Another one for each fault."""
    chance = np.random.default_rng(round(fault.at * 1e9))
    lines = [f"{a:.6f},{a:.3f},{'cat' if a > 0 else 'dog'}" for a in chance.normal(size=ROWS)]
    return HEAD + "\n".join(lines).encode() + b"\n"


def _send(client: httpx.Client, table: bytes) -> httpx.Response:
    query = {"name": "pets", "label": "label"}
    return client.post(
        "/v1/datasets", params=query, content=table, headers={"Content-Type": "text/csv"}
    )


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
