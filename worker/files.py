"""A run's files on this node."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contract.artifacts import ArtifactStore
from contract.settings import Settings
from worker.dataset_cache import DatasetCache
from worker.messages import Train


@dataclass(frozen=True)
class Files:
    """`resume` is the checkpoint to go on from, `dataset` the file of an upload."""

    scratch: Path
    resume: Path | None
    dataset: Path | None


class Desk:
    """Where the files of one run after the other lie while it lasts."""

    def __init__(self, settings: Settings, store: ArtifactStore) -> None:
        self._folder = settings.var_dir / "scratch"
        self._store = store
        self._datasets = DatasetCache(store, settings.var_dir / "datasets")

    @contextmanager
    def laid_out(self, order: Train) -> Iterator[Files]:
        """In a folder named by the process, so that its worker can clean up after it.

        Raises ArtifactDamaged for the checkpoint, DatasetUnavailable, and OSError where the store
        or the disk is at fault.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=self._folder) as name:
            yield self._brought(order, Path(name))

    def _brought(self, order: Train, scratch: Path) -> Files:
        resume = dataset = None
        if order.upload is not None:
            dataset = scratch / "dataset.npz"
            self._datasets.bring(order.upload, dataset)
        if order.checkpoint is not None:
            resume = scratch / "resume.npz"
            self._store.fetch(order.checkpoint.key, order.checkpoint.sha256, resume)
        return Files(scratch, resume, dataset)
