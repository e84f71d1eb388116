"""Questions to a run's signals. What was not measured, or is no number, is None."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from diagnosis.run.network import SATURATING, Network
from diagnosis.run.procedure import Procedure
from diagnosis.run.series import finite
from diagnosis.run.signals import LayerSignals, Moment, Number, Signals

# The share of hidden units, or of (row, unit) pairs, from which a layer lets nothing through.
DEAD, SATURATED = 0.7, 0.85
# Units of a layer of which a share says something.
_SEVERAL = 4
_FIRST_STEPS = 32


@dataclass(frozen=True)
class Readings:
    """`network` and `procedure` are those that the signals were measured of."""

    signals: Signals
    network: Network
    procedure: Procedure

    @property
    def start(self) -> Moment | None:
        """The initial weights."""
        moments = self.signals.moments
        return moments[0] if moments and moments[0].step == 0 else None

    @property
    def end(self) -> Moment | None:
        """The last moment that was measured."""
        return self.signals.moments[-1] if self.signals.moments else None

    @cached_property
    def input_rms(self) -> float | None:
        """Root mean square of what the first kernel is given, where no normalization precedes."""
        data = self.signals.data
        if data is None or self.network.normalizes_inputs:
            return None
        square = finite(data.input_mean_square)
        if square is None or square < 0:
            return None
        return _rescaled(math.sqrt(square), self.network)

    @property
    def input_peak(self) -> float | None:
        """The largest absolute value among the inputs of the model."""
        data = self.signals.data
        if data is None:
            return None
        ends = [finite(data.input_min), finite(data.input_max)]
        return max((abs(end) for end in ends if end is not None), default=None)

    @property
    def sharpness(self) -> float | None:
        """lr * lambda_max / 2 at the initial weights, momentum's sum of steps included.

        Plain gradient descent diverges on a quadratic where it is above 1. It does not hold for
        optimizers that scale their steps: None.
        """
        return self._sharpness(lambda curvature: curvature.lambda_max)

    @property
    def measure(self) -> str:
        """What `sharpness` is, in symbols."""
        rate = "lr / (1 - momentum)" if self.procedure.momentum else "lr"
        return f"{rate} * lambda / 2"

    @property
    def scaled_sharpness(self) -> float | None:
        """The same where the inputs are standardised."""
        return self._sharpness(lambda curvature: curvature.scaled_lambda_max)

    def _sharpness(self, of: Callable[..., Number]) -> float | None:
        curvature = self.signals.curvature
        largest = finite(of(curvature)) if curvature is not None else None
        if largest is None or self.procedure.adaptive:
            return None
        return finite(self.procedure.step_rate * abs(largest) / 2)

    @property
    def stable_rate(self) -> float | None:
        """The learning rate 1 / lambda_max, momentum allowed for; None for what is not SGD."""
        if not self.sharpness:
            return None
        return self.procedure.rate / (2 * self.sharpness)

    @property
    def jump(self) -> float | None:
        """The largest of the first steps' losses over the first; infinite where one was none."""
        losses = self.signals.first_losses
        if not losses or not finite(losses[0]) or losses[0] <= 0:
            return None
        if any(finite(loss) is None for loss in losses):
            return math.inf
        return max(losses) / losses[0]

    def hidden(self, moment: Moment | None) -> Sequence[LayerSignals]:
        """Those of the hidden layers with kernels."""
        indices = {block.index for block in self.network.hidden}
        return [layer for layer in moment.layers if layer.index in indices] if moment else []

    def kernels(self, moment: Moment | None) -> Sequence[LayerSignals]:
        """Those of all layers with kernels, the head's last."""
        indices = {block.index for block in self.network.blocks}
        return [layer for layer in moment.layers if layer.index in indices] if moment else []

    def dead(self, moment: Moment | None) -> float | None:
        """Of the hidden layer with the most dead units, if it has several: their share."""
        return _largest(layer.dead for layer in self.hidden(moment) if layer.units >= _SEVERAL)

    def saturated(self, moment: Moment | None) -> float | None:
        """Of the squashing layer that is saturated most: the share of its (row, unit) pairs."""
        return _largest(
            layer.saturated for layer in self.hidden(moment) if layer.activation in SATURATING
        )

    def onset(self, of: Callable[[Moment], float | None], limit: float) -> int | None:
        """The first step, from 0, after which `of` was at least `limit` whenever it was seen."""
        step = None
        for moment in self.signals.moments:
            value = of(moment)
            if value is None or value < limit:
                step = None
            elif step is None:
                step = moment.step
        return step

    @property
    def gradient_ratio(self) -> float | None:
        """First over last kernel's gradient norm at the initial weights; None for two kernels."""
        layers = self.kernels(self.start)
        if len(layers) < 3:
            return None
        first, last = finite(layers[0].gradient_norm), finite(layers[-1].gradient_norm)
        return finite(first / last) if first is not None and last else None

    @property
    def updates(self) -> float | None:
        """The largest update-to-weight ratio of a kernel at the end, where one was measured.

        A step that only adds to its gradients, for a later one to change the weights, has none.
        """
        found = _largest(layer.update_ratio for layer in self.kernels(self.end))
        return None if found == 0 and self.procedure.steps_per_update > 1 else found

    @property
    def early_updates(self) -> float | None:
        """The largest ratio seen among the first steps, but for the very first one's.

        That is large for optimizers that divide a first gradient by its own size.
        """
        return _largest(
            layer.update_ratio
            for moment in self.signals.moments
            if 1 < moment.step <= _FIRST_STEPS
            for layer in self.kernels(moment)
        )


def _largest(values: Iterator[Number]) -> float | None:
    return max((v for v in values if v is not None and math.isfinite(v)), default=None)


def _rescaled(rms: float, network: Network) -> float | None:
    """The rms after the Rescaling layers on the way; None where an offset moves it elsewhere."""
    for node in network.before:
        if node.layer.get("type") == "Rescaling":
            if abs(float(node.layer.get("offset", 0.0))) > 0:
                return None
            rms *= abs(float(node.layer.get("scale", 1.0)))
    return finite(rms)
