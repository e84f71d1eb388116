"""Which examples are for testing, where the sender did not say."""

from collections.abc import Callable

import numpy as np

from api.datasets.reading.arrays import Array
from api.datasets.reading.labels import Labels
from api.datasets.reading.workspace import Workspace, spans

SEED = 0
# Each of these runs of examples gives its share, so that memory does not grow with the dataset.
_RUN = 1 << 16

Held = Callable[[int, int], Array]


def hold_out(labels: Labels, examples: int, fraction: float, workspace: Workspace) -> Held:
    """A function of start and stop: a bool for each example between, true if it is for testing.

    About `fraction` of each class (of all, without one class an example) is held out, by largest
    remainders so
    that the whole is `fraction` as well; a class always keeps an example for training.
    """
    groups = _groups(labels)
    sizes = np.zeros(len(labels.classes or ()) if labels.stratified else 1, np.int64)
    for start, stop in spans(examples, 1, _RUN):
        sizes += np.bincount(groups(start, stop), minlength=len(sizes))
    quotas = _quotas(sizes, fraction)
    seen, given = np.zeros_like(sizes), np.zeros_like(sizes)
    random = np.random.Generator(np.random.Philox(SEED))
    held = workspace.spool(np.bool_)
    for start, stop in spans(examples, 1, _RUN):
        run = groups(start, stop)
        seen += np.bincount(run, minlength=len(sizes))
        share = quotas * seen // np.maximum(sizes, 1) - given
        held.append(_drawn(run, share, random))
        given += share
    return held.rows


def _groups(labels: Labels) -> Held:
    if labels.stratified:
        return labels.rows
    return lambda start, stop: np.zeros(stop - start, np.int64)


def _quotas(sizes: Array, fraction: float) -> Array:
    exact = sizes * fraction
    quotas = np.floor(exact).astype(np.int64)
    missing = round(int(sizes.sum()) * fraction) - int(quotas.sum())
    for group in np.argsort(quotas - exact, kind="stable"):
        if missing > 0 and sizes[group] - quotas[group] > 1:
            quotas[group] += 1
            missing -= 1
    return quotas


def _drawn(run: Array, share: Array, random: np.random.Generator) -> Array:
    """A bool for each of `run`, the examples' groups: `share[g]` of group g, at random."""
    order = random.permutation(len(run))
    order = order[np.argsort(run[order], kind="stable")]
    sizes = np.bincount(run, minlength=len(share))
    rank = np.arange(len(run)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    held = np.zeros(len(run), bool)
    held[order[rank < np.repeat(share, sizes)]] = True
    return held
