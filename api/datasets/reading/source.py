"""A file that was understood, whatever it was."""

from dataclasses import dataclass

from api.datasets.reading.inputs import Inputs
from api.datasets.reading.labels import Labels


@dataclass(frozen=True)
class Source:
    """The first `train` examples are for training; None if that is to be decided here."""

    inputs: Inputs
    labels: Labels
    train: int | None = None
