"""Reads uploads as the API does: the received bytes in a file, and a folder for what is made."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from ulid import ULID

from api.datasets.reading.formats import Media
from api.datasets.reading.options import Limits, Wanted
from api.datasets.reading.read import Read, read
from contract.errors import DatasetRefused
from contract.settings import Settings
from contract.store import clock
from contract.store.database import Database
from contract.store.tables import Dataset
from tests.hostile_uploads import good_csv

Array = np.ndarray[Any, Any]
GUESS = Wanted()
LIMITS = Limits.of(Settings())


def read_bytes(
    content: bytes,
    media: Media,
    folder: Path,
    wanted: Wanted = GUESS,
    limits: Limits = LIMITS,
) -> Read:
    """`folder` must be empty, and holds only what `read` left in it afterwards."""
    source = folder.with_name(f"{folder.name}.received")
    source.write_bytes(content)
    try:
        return read(source, media, wanted, limits, folder)
    finally:
        source.unlink()


def stored(database: Database, owner: str, folder: Path) -> str:
    """The id of a new dataset of `owner`: what was read of a good csv, but without its file."""
    with TemporaryDirectory(dir=folder) as made:
        found = read_bytes(good_csv(), "csv", Path(made), Wanted(("label",)))
    with database.writing() as session:
        row = Dataset(
            id=f"ds_{ULID()}", owner=owner, name="own", facts=vars(found.facts),
            report=found.report.model_dump(mode="json"), key="k", sha256="0" * 64, bytes=1,
            created_at=clock.read(session),
        )  # fmt: skip
        session.add(row)
        return row.id


def arrays_of(read: Read) -> dict[str, Array]:
    """What a worker gets of the file."""
    with np.load(read.file, allow_pickle=False) as file:
        return dict(file)


def growth(
    uploads: Sequence[tuple[Media, Path, Wanted]], folder: Path
) -> list[tuple[int, str | None]]:
    """For each of `uploads`, read by a fresh process, its growth so far and the refusal, if any.

    Growth is the peak in bytes beyond what it was once everything was loaded. For Linux.
    """
    asked = json.dumps([(media, str(path), asdict(wanted)) for media, path, wanted in uploads])
    told = subprocess.run(
        [sys.executable, "-m", "tests.uploads", str(folder)],
        cwd=Path(__file__).parents[1], input=asked, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [(grown, refusal) for grown, refusal in json.loads(told.stdout)]


def memory(field: str, pid: int | str = "self") -> int:
    """VmRSS, or VmHWM, its peak, of a process in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def _main(folder: Path) -> None:
    uploads = json.load(sys.stdin)
    before, told = memory("VmRSS"), []
    for media, path, wanted in uploads:
        refusal = None
        try:
            read(Path(path), media, Wanted(**wanted), LIMITS, folder).file.unlink()
        except DatasetRefused as error:
            refusal = str(error)
        told.append((memory("VmHWM") - before, refusal))
    print(json.dumps(told))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
