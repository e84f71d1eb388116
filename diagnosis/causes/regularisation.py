"""More regularisation than the task bears: dropout, noise, penalties, weight decay."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diagnosis import changes
from diagnosis.report import Cause, Change, Finding
from diagnosis.run.case import Case
from diagnosis.run.network import Node
from diagnosis.run.procedure import USUAL_RATE
from diagnosis.run.setup import Setup
from diagnosis.words import number, percent

CODE = "over_regularised"
TITLE = "The model is over-regularised"

# Dropout that leaves too little, and dropout that may.
_HEAVY, _HIGH = 0.8, 0.65
# Dropout that counts, and what of a layer's units, or of the paths through all layers, is few.
_SOME, _FEW_UNITS, _FEW_PATHS = 0.3, 4.0, 0.1
# A penalty's factor beyond the usual 1e-4 to 1e-3.
_PENALTY = 0.02
# A penalty on absolute values pulls small weights as hard as large ones.
_L1 = 4.0
# Of AdamW, whose default in Keras is 0.004 and whose rate is 0.001; of others, what takes as much.
_DECAY = 0.5
# Noise over the size of what it is added to.
_NOISE = 1.5
_REGULARIZERS = (
    "kernel_regularizer",
    "bias_regularizer",
    "depthwise_regularizer",
    "pointwise_regularizer",
)


@dataclass(frozen=True)
class Excess:
    """One regularisation that is too strong; `pointer` is where it is asked for."""

    score: float
    evidence: str
    pointer: str
    patch: Sequence[Mapping[str, Any]]


def cause(case: Case) -> Cause | None:
    """Blames any excess of regularisation; the worst one gives the score, and the repair takes back
    all."""
    found = sorted(_excesses(case), key=lambda excess: -excess.score)
    if not found:
        return None
    return Cause(
        code=CODE,
        title=TITLE,
        score=found[0].score,
        evidence=[*(excess.evidence for excess in found), *_shrunk(case)],
        numbers={"rate": _worst_dropout(case), "weights_left": _weights_left(case)},
        repairs=[_less(found)],
        rivals=[changes.learning_rate(10 * case.procedure.rate)],
    )


def findings(setup: Setup) -> Iterator[Finding]:
    """Each excess that the spec shows."""
    for excess in _excesses(setup):
        yield Finding(CODE, "warning", excess.pointer, excess.evidence, [_less([excess])])


def _less(found: Sequence[Excess]) -> Change:
    patch = [operation for excess in found for operation in excess.patch]
    return Change("less_regularisation", "less regularisation", patch)


def _excesses(setup: Setup) -> Iterator[Excess]:
    for look in _KINDS:
        yield from look(setup)


def _dropout(setup: Setup) -> Iterator[Excess]:
    for node in setup.network.of_type("Dropout"):
        rate, pointer = float(node.layer["rate"]), f"{node.pointer}/rate"
        if rate >= _HIGH:
            yield Excess(
                0.94 if rate >= _HEAVY else 0.82,
                f"Dropout drops {percent(rate)} of the numbers that reach layer {node.index}.",
                pointer,
                [changes.put(pointer, 0.2)],
            )


def _dropouts(setup: Setup) -> Iterator[Excess]:
    """Ordinary dropout, of few units or in so many layers that hardly a path is left."""
    rates = [(node, float(node.layer["rate"])) for node in setup.network.of_type("Dropout")]
    paths = math.prod(1 - rate for _, rate in rates)
    for node, rate in rates:
        if not _SOME <= rate < _HIGH:
            continue
        units = (1 - rate) * (_width_before(setup, node) or math.inf)
        if units <= _FEW_UNITS:
            detail = (
                f"Dropout leaves {number(units)} of the units that layer {node.index} is given."
            )
        elif paths <= _FEW_PATHS:
            left = f"dropout leaves {percent(paths)} of the paths to the output"
            detail = f"With layer {node.index}, {left}."
        else:
            continue
        pointer = f"{node.pointer}/rate"
        yield Excess(0.81, detail, pointer, [changes.put(pointer, 0.1)])


def _width_before(setup: Setup, node: Node) -> int | None:
    """Of the last layer with a kernel before `node`."""
    before = setup.network.graph.upstream(node)
    return next((b.width for b in reversed(setup.network.blocks) if b.node in before), None)


def _noise(setup: Setup) -> Iterator[Excess]:
    size = setup.readings.input_rms if isinstance(setup, Case) else None
    for node in setup.network.of_type("GaussianNoise"):
        stddev, pointer = float(node.layer["stddev"]), f"{node.pointer}/stddev"
        before = node in setup.network.before
        against = size if before and size else 1.0
        if stddev > _NOISE * against or (not before and stddev >= 0.9):
            yield Excess(
                0.86,
                f"Noise of {number(stddev)} is added in layer {node.index} to numbers of about "
                f"{number(against)}.",
                pointer,
                [changes.put(pointer, 0.1 * against)],
            )


def _penalties(setup: Setup) -> Iterator[Excess]:
    for node in setup.network.nodes:
        for name in _REGULARIZERS:
            given = node.layer.get(name) or {}
            factor = max(_L1 * float(given.get("l1") or 0.0), float(given.get("l2") or 0.0))
            if factor >= _PENALTY:
                pointer = f"{node.pointer}/{name}"
                yield Excess(
                    0.93 if factor >= 2 * _PENALTY else 0.85,
                    f"The penalty on layer {node.index}'s weights is {number(factor)}; 1e-4 to "
                    f"1e-3 is usual.",
                    pointer,
                    [changes.put(pointer, None)],
                )


def _decay(setup: Setup) -> Iterator[Excess]:
    procedure = setup.procedure
    decay = float(procedure.optimizer.get("weight_decay") or 0.0)
    pointer = "/training/optimizer/weight_decay"
    if procedure.name in ("AdamW", "Muon"):
        if decay >= _DECAY:
            evidence = f"The weight decay is {number(decay)}; 0.004 is Keras' default."
            yield Excess(0.92, evidence, pointer, [changes.put(pointer, 0.004)])
    elif decay * procedure.rate >= _DECAY * USUAL_RATE:
        evidence = (
            f"The weight decay takes {percent(min(1.0, decay * procedure.rate))} of the weights at "
            f"each step."
        )
        yield Excess(0.92, evidence, pointer, [changes.put(pointer, None)])


_KINDS: Sequence[Callable[[Setup], Iterator[Excess]]] = (
    _dropout,
    _dropouts,
    _noise,
    _penalties,
    _decay,
)


def _worst_dropout(setup: Setup) -> float | None:
    rates = (float(node.layer["rate"]) for node in setup.network.of_type("Dropout"))
    return max(rates, default=None)


def _weights_left(case: Case) -> float | None:
    """The smallest share of its initial weight norm that a kernel is left with."""
    start, end = (
        case.readings.kernels(case.readings.start),
        case.readings.kernels(case.readings.end),
    )
    shares = [
        b.weight_norm / a.weight_norm for a, b in zip(start, end, strict=False) if a.weight_norm > 0
    ]
    return min(shares, default=None)


def _shrunk(case: Case) -> Iterator[str]:
    left = _weights_left(case)
    if left is not None and left < 0.5:
        yield f"A layer's weights shrank to {percent(left)} of their initial size."
