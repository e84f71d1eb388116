"""A run's files on this node."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contract.settings import Settings
from contract.store.artifacts import ArtifactStore
from contract.store.scratch import Scratch
from worker.protocol import Train
from worker.trainer.dataset_cache import DatasetCache


@dataclass(frozen=True)
class Files:
    """`resume` is the checkpoint to go on from, `dataset` the file of an upload."""

    scratch: Path
    resume: Path | None
    dataset: Path | None


class Desk:
    """Where the files of one run after the other lie while it lasts."""

    def __init__(self, settings: Settings, store: ArtifactStore) -> None:
        # Its name begins with the process's id, so that the worker can clean up after it.
        self._scratch = Scratch(settings.var_dir / "scratch")
        self._store = store
        self._datasets = DatasetCache(store, settings.var_dir / "datasets")

    @contextmanager
    def laid_out(self, order: Train) -> Iterator[Files]:
        """In a folder of its own.

        Raises ArtifactDamaged for the checkpoint, DatasetUnavailable, and OSError where the store
        or the disk is at fault.
        """
        with self._scratch.folder() as folder:
            yield self._brought(order, folder)

    def close(self) -> None:
        """Remove what there is: the process ends."""
        self._scratch.close()

    def _brought(self, order: Train, scratch: Path) -> Files:
        resume = dataset = None
        if order.upload is not None:
            dataset = scratch / "dataset.npz"
            self._datasets.bring(order.upload, dataset)
        if order.checkpoint is not None:
            resume = scratch / "resume.npz"
            self._store.fetch(order.checkpoint.key, order.checkpoint.sha256, resume)
        return Files(scratch, resume, dataset)
