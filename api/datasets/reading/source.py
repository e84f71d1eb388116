"""A file that was understood, whatever it was."""

from dataclasses import dataclass

from api.datasets.reading.inputs import Inputs
from api.datasets.reading.labels import Labels
from api.datasets.reading.workspace import Spool


@dataclass(frozen=True)
class Source:
    """The first `train` examples are for training; None if that is to be decided here.

    `weights`, float32, are those of all examples, or of these first ones.
    """

    inputs: Inputs
    labels: Labels
    train: int | None = None
    weights: Spool | None = None
