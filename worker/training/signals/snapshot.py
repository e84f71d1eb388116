"""One look at a run: the model's layers, seen by the probe, as plain numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diagnosis.run.signals import LayerSignals, Moment
from worker.training.built_model import BuiltModel
from worker.training.signals.activations import LIMITS, Station
from worker.training.signals.probe import Array, Probe

# Pairs among more units than these cost more than they tell.
_COMPARED_UNITS = 256


@dataclass(frozen=True)
class _Place:
    """A station's weights: `kernel` and the slice `first`:`end` of the model's trainable ones."""

    station: Station
    type: str
    kernel: int
    first: int
    end: int


class Lens:
    """Turns readings of a probe into moments. `threshold` as in the tally; None: no classes."""

    def __init__(
        self, built: BuiltModel, stations: Sequence[Station], probe: Probe, threshold: float | None
    ) -> None:
        self._probe = probe
        self._threshold = threshold
        self._places = [_place(built, station) for station in stations]

    def weights(self) -> list[Array]:
        """The trainable weights as they are now; training goes on with a copy of them."""
        return [np.asarray(weight.value()) for weight in self._probe.weights]

    def moment(
        self, *, step: int, epoch: int, at_epoch_end: bool, before: Sequence[Array] | None
    ) -> Moment:
        """The model as it is; `before` are its weights before the last step."""
        reading, weights = self._probe.read(), self.weights()
        with np.errstate(all="ignore"):  # a failing run has numbers that are none
            layers = [
                _layer(place, seen, weights, reading.gradients, before)
                for place, seen in zip(self._places, reading.pre_activations, strict=True)
            ]
            return Moment(
                step=step,
                epoch=epoch,
                at_epoch_end=at_epoch_end,
                loss=reading.loss,
                learning_rate=reading.learning_rate,
                commonest_share=self._commonest_share(reading.outputs),
                output_rms=_rms(reading.outputs),
                gradient_norm=_norm(reading.gradients),
                layers=layers,
            )

    def _commonest_share(self, outputs: Array) -> float | None:
        if self._threshold is None:
            return None
        one = outputs.shape[-1] == 1
        given = outputs > self._threshold if one else outputs.argmax(axis=-1)
        return float(np.unique(given, return_counts=True)[1].max() / given.size)


def _place(built: BuiltModel, station: Station) -> _Place:
    layer = built.layers[station.index]
    paths = [variable.path for variable in built.keras.trainable_variables]
    kernel = getattr(layer, "pointwise_kernel", None)
    kernel = layer.kernel if kernel is None else kernel
    first = paths.index(layer.trainable_variables[0].path)
    return _Place(
        station,
        type(layer).__name__,
        paths.index(kernel.path),
        first,
        first + len(layer.trainable_variables),
    )


def _layer(
    place: _Place,
    seen: Array,
    weights: Sequence[Array],
    gradients: Sequence[Array],
    before: Sequence[Array] | None,
) -> LayerSignals:
    own = slice(place.first, place.end)
    units = seen.shape[-1]
    dead, saturated = _flat(seen.reshape(-1, units), place.station.activation)
    norm = _norm(weights[own])
    change = None
    if before is not None:
        change = _norm([w - b for w, b in zip(weights[own], before[own], strict=True)])
    return LayerSignals(
        index=place.station.index,
        type=place.type,
        activation=place.station.activation,
        units=units,
        pre_mean=float(seen.mean(dtype=np.float64)),
        pre_rms=_rms(seen),
        dead=dead,
        saturated=saturated,
        cosine=_cosine(weights[place.kernel].reshape(-1, units)),
        weight_norm=norm,
        gradient_norm=_norm(gradients[own]),
        update_ratio=None if change is None or norm == 0 else change / norm,
    )


def _flat(seen: Array, activation: str) -> tuple[float | None, float | None]:
    """Shares of dead units and of saturated pairs; None where the derivative has no such end."""
    limits = LIMITS.get(activation)
    if limits is None:
        return None, None
    dead = _beyond(seen, limits.dead).all(axis=0).mean()
    return float(dead), float(_beyond(seen, limits.flat).mean())


def _beyond(seen: Array, limits: tuple[float, float]) -> Any:
    """Each comparison passes over millions of numbers for a CNN: what never holds is not asked."""
    low, high = limits
    return seen <= low if math.isinf(high) else (seen <= low) | (seen >= high)


def _cosine(kernel: Array) -> float | None:
    """Mean absolute cosine between columns, of the first ones where there are many."""
    columns = kernel[:, :_COMPARED_UNITS]
    units = columns.shape[1]
    if units < 2:
        return None
    columns = columns / np.sqrt(np.einsum("ij,ij->j", columns, columns))
    total = float(np.abs(columns.T @ columns).sum(dtype=np.float64))
    return float((total - units) / (units * (units - 1)))


def _rms(values: Array) -> float:
    flat = values.ravel()
    return math.sqrt(float(np.vdot(flat, flat)) / flat.size)


def _norm(arrays: Sequence[Array]) -> float:
    return math.sqrt(sum(float(np.vdot(a, a)) for a in arrays))
