"""The words between a worker and its trainer processes, one JSON object a line.

worker -> trainer: Train, Stop. trainer -> worker: Ready once, then for each Train Began, any number
of Progress and Epochs, and at the end one of Finished, Stopped, Failed, Unusable, Unavailable.
"""

import socket
import threading
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from contract.experiment.datasets import Facts, Upload, stored_facts
from contract.experiment.spec import Experiment
from contract.jobs.reports import Checkpoint, FinishedEpoch, Signal
from contract.store.artifacts import Stored


class _Message(BaseModel):
    # Losses may be NaN; both ends are Python and read the constants that JSON lacks.
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")


class Train(_Message):
    """Run `experiment` for the claim (`job_id`, `fence`), from `checkpoint` if there is one.

    `upload` is None for a dataset of the catalogue.
    """

    type: Literal["train"] = "train"
    job_id: str
    fence: int
    experiment: Experiment
    upload: Upload | None
    checkpoint: Checkpoint | None

    @property
    def facts(self) -> Facts:
        """Those of the experiment's dataset, with its own labels."""
        return self.upload.facts if self.upload else stored_facts(self.experiment.dataset)


class Stop(_Message):
    """End this claim's run at the next step boundary; any other run goes on."""

    type: Literal["stop"] = "stop"
    job_id: str
    fence: int


class Ready(_Message):
    """TensorFlow is loaded; `devices` as "cpu", "gpu"."""

    type: Literal["ready"] = "ready"
    devices: list[str]


class Began(_Message):
    """The model is built; earlier attempts trained for `train_seconds`."""

    type: Literal["began"] = "began"
    train_seconds: float


class Progress(_Message):
    """`epochs_done` counts the part of the epoch under way as a fraction."""

    type: Literal["progress"] = "progress"
    epochs_done: float


class Epochs(_Message):
    type: Literal["epochs"] = "epochs"
    epochs: list[FinishedEpoch]
    signals: list[Signal]
    checkpoint: Checkpoint


class _End(_Message):
    """The last report on an order; a trainer that is `leaving` takes no other."""

    leaving: bool = False


class Stopped(_End):
    """`checkpoint` is None when the last reported one is still the newest."""

    type: Literal["stopped"] = "stopped"
    checkpoint: Checkpoint | None


class Finished(_End):
    type: Literal["finished"] = "finished"
    metrics: dict[str, float]
    confusion_matrix: list[list[int]] | None
    class_counts: list[int]
    timing: dict[str, float]
    environment: dict[str, Any]
    artifacts: dict[str, Stored]
    reason: str
    model_epoch: int


class Failed(_End):
    type: Literal["failed"] = "failed"
    code: str
    message: str
    hint: str


class Unusable(_End):
    """The checkpoint to go on from is missing, damaged or another version's: `reason` says it."""

    type: Literal["unusable"] = "unusable"
    reason: str


class Unavailable(_End):
    """This node cannot train the job at the moment: its disk, its store, or something else."""

    type: Literal["unavailable"] = "unavailable"
    code: Literal["storage_full", "node_unfit"]
    reason: str


Order = Annotated[Train | Stop, Field(discriminator="type")]
End = Finished | Stopped | Failed | Unusable | Unavailable
News = Began | Progress | Epochs
Report = Annotated[Ready | News | End, Field(discriminator="type")]
ORDERS: TypeAdapter[Train | Stop] = TypeAdapter(Order)
REPORTS: TypeAdapter[Ready | News | End] = TypeAdapter(Report)


class Channel:
    """One end of the socket between a worker and a trainer. Several threads may send, one reads."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._lines = end.makefile("rb")
        self._sending = threading.Lock()

    def send(self, message: _Message) -> None:
        """Raises OSError when the other end is gone."""
        line = message.model_dump_json().encode() + b"\n"
        with self._sending:
            self._socket.sendall(line)

    def read(self) -> Iterator[bytes]:
        """Lines until the other end is gone."""
        try:
            for line in self._lines:
                if line.endswith(b"\n"):  # else the sender died in the middle of it
                    yield line
        except OSError:
            return

    def close(self) -> None:
        """End the connection: the other side reads no more lines."""
        self._lines.close()
        self._socket.close()
