"""Layers that disturb training on purpose, and do nothing at test."""

from typing import ClassVar, Literal

from contract.experiment.layers.arguments import Share
from contract.experiment.layers.layer import Layer


class Dropout(Layer):
    keeps_units: ClassVar[bool] = True

    type: Literal["Dropout"] = "Dropout"
    rate: Share


class GaussianNoise(Layer):
    keeps_units: ClassVar[bool] = True

    type: Literal["GaussianNoise"] = "GaussianNoise"
    stddev: Share
