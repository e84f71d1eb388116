"""A run's files on this node."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from contract.errors import DatasetUnavailable
from contract.experiment.datasets import Upload
from contract.settings import Settings
from contract.store.artifacts import ArtifactDamaged, ArtifactStore
from contract.store.scratch import Scratch
from worker.protocol import Train


@dataclass(frozen=True)
class Files:
    """`resume` is the checkpoint to go on from; `upload` fetches the file of an uploaded dataset.

    Fetching raises DatasetUnavailable where the store lost it or has other bytes, OSError where the
    store or the disk is at fault.
    """

    scratch: Path
    resume: Path | None
    upload: Callable[[], AbstractContextManager[Path]] | None


class Desk:
    """Where the files of one run after the other lie while it lasts."""

    def __init__(self, settings: Settings, store: ArtifactStore) -> None:
        # Its name begins with the process's id, so that the worker can clean up after it.
        self._scratch = Scratch(settings.var_dir / "scratch")
        self._store = store

    @contextmanager
    def laid_out(self, order: Train) -> Iterator[Files]:
        """In a folder of its own.

        Raises ArtifactDamaged for the checkpoint, and OSError where the store or the disk is at
        fault.
        """
        with self._scratch.folder() as folder:
            yield self._brought(order, folder)

    def close(self) -> None:
        """Remove what there is: the process ends."""
        self._scratch.close()

    def _brought(self, order: Train, scratch: Path) -> Files:
        resume = upload = None
        if order.upload is not None:
            upload = partial(self._fetched, order.upload, scratch / "dataset.npz")
        if order.checkpoint is not None:
            resume = scratch / "resume.npz"
            self._store.fetch(order.checkpoint.key, order.checkpoint.sha256, resume)
        return Files(scratch, resume, upload)

    @contextmanager
    def _fetched(self, upload: Upload, file: Path) -> Iterator[Path]:
        try:
            self._store.fetch(upload.key, upload.sha256, file)
        except ArtifactDamaged as error:
            raise DatasetUnavailable(
                f"the uploaded dataset cannot be had: {error}",
                "upload it again, and name the new one in the experiment",
            ) from error
        yield file
        file.unlink()
