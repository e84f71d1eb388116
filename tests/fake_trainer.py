"""A trainer process without TensorFlow: the same protocol, checkpoints and files, made-up numbers.

Each epoch's loss follows from the seed, the epoch and the state that the checkpoint carries, so a
resumed curve is right only if the state was. `PLATEAU_FAKE_EPOCH_SECONDS` is how long one takes,
`PLATEAU_FAKE_FILE_BYTES` how large checkpoints and models are, roughly.
"""

import errno
import hashlib
import json
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from contract import logs
from contract.jobs.reports import FinishedEpoch, Signal
from contract.settings import Settings, read_settings
from worker.protocol import Finished, Stopped, Train
from worker.trainer.__main__ import Trainer, channel_from_arguments
from worker.trainer.reporter import Reporter
from worker.trainer.run_files import Files

if TYPE_CHECKING:
    from worker.training.data.dataset_cache import Fetch

EPOCH_SECONDS = float(os.environ.get("PLATEAU_FAKE_EPOCH_SECONDS", "0.02"))
FILE_BYTES = int(os.environ.get("PLATEAU_FAKE_FILE_BYTES", "0"))
DEVICES = os.environ.get("PLATEAU_FAKE_DEVICES", "cpu").split(",")
# Experiments of this name cannot be trained on this node, for want of disk.
UNFIT = "unfit"
# Experiments of this name never look whether they are to stop.
DEAF = "deaf"
# Experiments of this name leave 40 MB behind that nothing frees.
HOARDER = "hoarder"
LEFT: list[bytes] = []
# Experiments of these names end their trainer at each epoch's start.
POISON = "poison"
POISONS = {POISON: signal.SIGKILL, "poison-segv": signal.SIGSEGV, "poison-abort": signal.SIGABRT}


def fake_run(order: Train, files: Files, reporter: Reporter) -> Finished | Stopped:
    """Loss of epoch n: the first bytes of a hash chain that begins with the seed."""
    training = order.experiment.training
    state: dict[str, Any] = {"epoch": 0, "chain": str(training.seed)}
    if files.resume is not None:
        state = json.loads(files.resume.read_text())
    if order.experiment.name == UNFIT:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if files.upload is not None:
        _prepare(order, files.upload)
    reporter.started(state["epoch"], 0.0, state["epoch"] * EPOCH_SECONDS)
    if order.experiment.name == HOARDER:
        LEFT.append(b"x" * 40_000_000)
    for epoch in range(state["epoch"] + 1, training.epochs + 1):
        if order.experiment.name in POISONS:
            os.kill(os.getpid(), POISONS[order.experiment.name])
        if order.experiment.name == DEAF:
            signal.pause()
        if _stopped_within(reporter, EPOCH_SECONDS):
            return Stopped(checkpoint=None)
        state = {"epoch": epoch, "chain": hashlib.sha256(state["chain"].encode()).hexdigest()}
        checkpoint = files.scratch / f"{epoch}.npz"
        checkpoint.write_text(json.dumps({"filling": "0" * FILE_BYTES, **state}))
        reporter.epochs([_row(epoch, state["chain"])], _signals(epoch), checkpoint)
    model = files.scratch / "model.keras"
    model.write_bytes(b"a fake model" + bytes(FILE_BYTES))
    return Finished(
        metrics={"train_loss": 0.5, "train_accuracy": 0.9, "test_loss": 0.6, "test_accuracy": 0.85},
        confusion_matrix=[[1, 0], [0, 1]],
        class_counts=[1, 1],
        timing={"load_seconds": 0.0, "compile_seconds": 0.0, "train_seconds": 1.0},
        environment={"trainer": "fake"},
        artifacts={"model": reporter.keep_artifact(model)},
        reason="completed",
        model_epoch=training.epochs,
    )


def _prepare(order: Train, upload: "Fetch") -> None:
    """As a real trainer reads an upload, which loads what an order without one is spared."""
    from worker.training.data.dataset_cache import DatasetCache

    settings = read_settings()
    cache = DatasetCache(settings.var_dir / "arrays")
    cache.arrays(order.experiment.dataset, order.facts, settings.data_dir, upload)


def _row(epoch: int, chain: str) -> FinishedEpoch:
    loss = int(chain[:8], 16) / 2**32
    metrics = {"loss": loss, "accuracy": 1 - loss, "val_loss": loss, "val_accuracy": 1 - loss}
    return FinishedEpoch(epoch, metrics, 0.01, EPOCH_SECONDS)


def _signals(epoch: int) -> list[Signal]:
    """One a step, of which an epoch has one; the first epoch's come with those of the whole run."""
    losses = Signal("losses", epoch, {"losses": [1 / epoch]})
    run = {"steps_per_epoch": 1, "data": None, "curvature": None}
    return [Signal("run", 0, run), losses] if epoch == 1 else [losses]


def _stopped_within(reporter: Reporter, seconds: float) -> bool:
    """Let an epoch's time pass in small steps, as the real loop does."""
    pause = threading.Event()
    for _ in range(max(1, round(seconds / 0.005))):
        if reporter.stop_requested():
            return True
        pause.wait(min(seconds, 0.005))
    return reporter.stop_requested()


if __name__ == "__main__":
    told = Settings()
    logs.configure(told, "trainer")
    Trainer(channel_from_arguments(), told).serve(DEVICES, fake_run)
