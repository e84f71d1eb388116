"""What is measured once, before training: the probe is taken, the data judged, the loss bent."""

from dataclasses import asdict
from typing import Any

import numpy as np

from contract.experiment.datasets import Facts
from contract.experiment.losses import loss_of
from contract.experiment.spec import Experiment
from contract.sizing.cost import Cost, cost
from contract.sizing.label_layout import Layout
from diagnosis.run.signals import DataSignals
from worker.training.built_model import BuiltModel
from worker.training.data.prepare import SELECTION_SEED, Prepared, lay_out
from worker.training.data.shuffling import order_of
from worker.training.signals.activations import stations
from worker.training.signals.curvature import PRODUCTS, curvature
from worker.training.signals.data import in_order
from worker.training.signals.probe import Probe

PROBE_ROWS = 256
# All layers' outputs for the probe, in numbers, unless it would have fewer rows than these.
_PROBE_VALUES, _LEAST_PROBE_ROWS = 2**20, 64
# What they may take in any case, their gradients included.
_PROBE_BYTES = 2**28
# About a second of one core; or this share of the training.
_CURVATURE_FLOPS, _CURVATURE_SHARE = 5e10, 0.02
# A Hessian-vector product in forward passes: the gradient takes three, and its own twice as many.
_PASSES_PER_PRODUCT = 7


def probe_of(
    experiment: Experiment,
    facts: Facts,
    data: Prepared,
    layout: Layout,
    built: BuiltModel,
    optimizer: Any,
    loss: Any,
) -> Probe | None:
    """A probe of the training part's rows, the same for every seed; None with signals off."""
    if experiment.signals == "off":
        return None
    expected = cost(experiment, facts)
    rows = min(len(data.train.x), _probe_rows(expected))
    generator = np.random.Generator(np.random.Philox(SELECTION_SEED))
    chosen = np.sort(generator.choice(len(data.train.x), rows, replace=False))
    x = data.train.x[chosen]
    x = x.astype(np.int32) if data.whole else data.inputs(x)
    y = lay_out(data.train.y[chosen], layout, facts.classes)
    weights = None if data.train.weights is None else data.train.weights[chosen]
    of_batch = loss_of(experiment.training.loss).is_of_batch
    return Probe(built, loss, optimizer, stations(built.graph), x, y, weights, of_batch=of_batch)


def _probe_rows(expected: Cost) -> int:
    """PROBE_ROWS; fewer where a look at them would take long, or more memory than it may."""
    values = _values(expected)
    cheap = max(_LEAST_PROBE_ROWS, _PROBE_VALUES // values)
    return min(PROBE_ROWS, cheap, max(1, _PROBE_BYTES // (8 * values)))


def _values(expected: Cost) -> int:
    """All layers' outputs for a row, in numbers."""
    return max(1, sum(layer.activations for layer in expected.layers))


def initial(
    experiment: Experiment,
    facts: Facts,
    data: Prepared,
    judged: DataSignals | None,
    probe: Probe | None,
) -> dict[str, Any]:
    """`data` and `curvature` of the untrained model; None with signals off.

    `judged` is the data's part that no order changes. Curvature is None too where it cannot be
    had, or would cost more than it may.
    """
    if probe is None or judged is None:
        return {"data": None, "curvature": None}
    training = experiment.training
    order = order_of(len(data.train.x), training.seed, 1, training.shuffle).numpy()
    wanted = probe.has_curvature and _affordable(cost(experiment, facts), len(probe))
    return {
        "data": asdict(in_order(judged, data, facts, order)),
        "curvature": asdict(curvature(probe)) if wanted else None,
    }


def _affordable(expected: Cost, rows: int) -> bool:
    flops = 2 * PRODUCTS * _PASSES_PER_PRODUCT * expected.flops_per_example * rows
    return flops <= max(_CURVATURE_FLOPS, _CURVATURE_SHARE * expected.flops_total)
