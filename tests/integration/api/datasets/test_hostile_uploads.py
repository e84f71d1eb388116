"""Hostile uploads, sent to an API process: refused, in little memory, and without a trace."""

import io
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest

from migrations.upgrade import upgrade
from tests import processes, services
from tests.hostile_uploads import CANARY, Hostile, hostile_uploads
from tests.integration.api.http.test_process import ROOT, start, wait_until_it_answers
from tests.uploads import memory

MOST_GROWTH = 50_000_000
MEDIA = {"csv": "text/csv", "npz": "application/x-npz"}


def send(port: int, hostile: Hostile) -> int:
    """The status of the answer. Not by httpx, which itself refuses addresses as long as some."""
    query = urlencode([("name", "hostile"), *(("label", label) for label in hostile.label)])
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": MEDIA[hostile.media]}
    connection.request("POST", f"/v1/datasets?{query}", hostile.make(), headers)
    status = connection.getresponse().status
    connection.close()
    return status


def left(folder: Path) -> set[Path]:
    """Files below `folder`, without those of the database."""
    return {path for path in folder.rglob("*") if path.is_file() and "sqlite3" not in path.name}


def pictures() -> bytes:
    """118 MB, of which nothing is compressed."""
    file = io.BytesIO()
    x = np.resize(np.arange(251, dtype=np.uint8), (150_000, 28, 28))
    np.savez(file, x=x, y=np.arange(len(x)) % 10)
    return file.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
def test_uploads_take_little_memory_and_hostile_ones_leave_nothing(tmp_path: Path) -> None:
    port = services.free_port()
    upgrade(f"sqlite:///{tmp_path / 'plateau.sqlite3'}")
    with start(tmp_path, port) as process:
        try:
            wait_until_it_answers(process, port)
            before = memory("VmRSS", process.pid)
            answers = {hostile.name: send(port, hostile) for hostile in hostile_uploads()}
            grown = memory("VmHWM", process.pid) - before
            assert left(tmp_path) == set()
            assert send(port, Hostile("a good one", "npz", pictures)) == 201
            large = memory("VmHWM", process.pid) - before
        finally:
            process.terminate()
            said, _ = process.communicate(timeout=processes.STOP_SECONDS)
    print(
        f"{len(answers)} hostile uploads: {grown / 1e6:.1f} MB above {before / 1e6:.0f} MB; "
        f"then a good one of 118 MB: {large / 1e6:.1f} MB"
    )
    assert len(answers) >= 50
    assert {name: status for name, status in answers.items() if not 400 <= status < 500} == {}
    assert max(grown, large) < MOST_GROWTH
    assert "Traceback" not in said
    assert not any((folder / CANARY).exists() for folder in (ROOT, tmp_path))
    assert not list((tmp_path / "uploads").iterdir())
