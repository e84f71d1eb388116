"""Nodes that share nothing but Postgres, Redis and an S3; real trainers."""

import shutil
from pathlib import Path

import httpx
import pytest

from tests import processes, services
from tests.acceptance.test_end_to_end import EXPERIMENT
from tests.sites import site_on


@pytest.fixture
def node_folders(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "node-a", tmp_path / "node-b"


def test_a_job_begun_on_one_node_goes_on_on_another(
    postgres_url: str, redis_url: str, tmp_path: Path, node_folders: tuple[Path, Path]
) -> None:
    """The first node is gone for good, with its disk, and the curve is that of a single one."""
    first, second = node_folders
    with (
        services.running_s3(tmp_path) as s3,
        site_on(postgres_url, redis_url, tmp_path, **s3) as site,
        site.api() as client,
    ):
        with site.worker(PLATEAU_VAR_DIR=str(first), PLATEAU_SLOTS="1") as worker:
            alone = site.submit(EXPERIMENT)
            site.wait_for_end(alone)
            shared = site.submit(EXPERIMENT)
            site.wait_for_epoch(shared, 3)
            trainer = worker.trainer_pid(shared)
            worker.process.kill()
        # It has a folder there, too, and removes it when it sees that its worker is gone.
        processes.wait_for("its trainer to end", lambda: not processes.runs(trainer))
        shutil.rmtree(first)
        bucket = f"{s3['FSSPEC_S3_ENDPOINT_URL']}/plateau?list-type=2"
        with site.worker(PLATEAU_VAR_DIR=str(second), PLATEAU_SLOTS="1"):
            [job] = site.wait_for_end(shared)
            # While the worker is there: its end is seen before it has cleared what is left.
            processes.wait_for(
                "its checkpoints to go", lambda: "/checkpoints/" not in httpx.get(bucket).text
            )
        assert (job.status, job.attempts) == ("succeeded", 2)
        assert site.curve(shared) == site.curve(alone)
        model = client.get(f"/v1/jobs/{shared}/model").raise_for_status().content
        told = client.get(f"/v1/jobs/{shared}/results").json()["artifacts"]["model"]
        assert len(model) == told["bytes"]
        assert f"{shared}/2.keras" in httpx.get(bucket).text
