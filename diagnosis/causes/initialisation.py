"""Initial weights that are all alike, or of the wrong size."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from diagnosis import changes
from diagnosis.causes.slow_progress import is_short, longer
from diagnosis.report import Cause, Change, Finding
from diagnosis.run.case import Case
from diagnosis.run.network import Block
from diagnosis.run.readings import SATURATED
from diagnosis.run.series import finite
from diagnosis.run.setup import Setup
from diagnosis.run.signals import LayerSignals
from diagnosis.words import number, percent

CODE = "initialisation"

# Mean absolute cosine between the weights of units that are copies of one another.
_ALIKE = 0.999
# Root mean square of a layer's sums over that of its inputs; Glorot's and He's are about 1.
_LARGE, _SMALL = 6.0, 0.06
# A bias that outweighs ordinary sums.
_BIAS = 2.0
_ADAPTED = ("glorot", "he_", "lecun", "orthogonal")
_FORGOTTEN = (
    "Ftrl keeps next to nothing of the initial weights after its first step, and where all layers "
    "are near 0, next to no gradient comes through the hidden ones."
)
_REMEMBERING = Change(
    "adam_for_ftrl",
    "Adam instead",
    [changes.put("/training/optimizer", {"type": "Adam", "learning_rate": 0.001})],
)


def cause(case: Case) -> Cause | None:
    """Blames units that started alike and stayed alike, weights whose sums are more than 6 or less
    than 0.06 times their inputs, and biases that outweigh those sums."""
    if _forgotten(case):
        return Cause(
            code=CODE,
            title="The optimizer forgets the initial weights",
            score=0.96,
            evidence=[_FORGOTTEN],
            numbers={},
            repairs=[_REMEMBERING],
            rivals=[],
        )
    alike, off, biased = _alike(case), _off(case), _biased(case.network.blocks)
    held = _held(case) if biased else None
    if not alike and not off and not held:
        return None
    start = case.readings.start
    return Cause(
        code=CODE,
        title=_title(alike, off),
        score=0.97 if alike else 0.96 if off else 0.94,
        evidence=[*_evidence(case, alike, off), *([held] if held else [])],
        numbers={
            "gain": max((gain for _, gain in off), default=None),
            "cosine": _cosine(case, alike),
            "saturated_at_start": case.readings.saturated(start),
        },
        repairs=_with_time(case, _repairs(alike or _fixed(case, off), biased if held else [])),
        rivals=[changes.scaling("standard")],
    )


def findings(setup: Setup) -> Iterator[Finding]:
    """Initializers that make all units of a layer alike, and large constant biases."""
    if _forgotten(setup):
        yield Finding(CODE, "warning", "/training/optimizer", _FORGOTTEN, [_REMEMBERING])
    for block in _constant(setup.network.hidden):
        pointer = f"{block.node.pointer}/{block.kernel}"
        detail = "All units of this layer start alike, and so stay alike: they learn as one."
        yield Finding(CODE, "error", pointer, detail, _repairs([block], []))
    for block in _biased(setup.network.blocks):
        pointer = f"{block.node.pointer}/bias_initializer"
        detail = "These biases outweigh what the layer's inputs add up to."
        yield Finding(CODE, "warning", pointer, detail, _repairs([], [block]))


def _forgotten(setup: Setup) -> bool:
    """Whether hidden units are left with next to nothing by Ftrl's first step.

    Of a weight it keeps 1 - sqrt(a / (a + g^2)), where a is the accumulator and g the gradient.
    """
    optimizer = setup.procedure.optimizer
    begins = float(optimizer.get("initial_accumulator_value", 0.1))
    return setup.procedure.name == "Ftrl" and begins > 0 and bool(setup.network.hidden)


def _constant(blocks: Sequence[Block]) -> list[Block]:
    """Those of several units whose weights the initializer makes equal."""
    return [b for b in blocks if (b.width or 1) > 1 and _spread(b.initializer) == 0]


def _alike(case: Case) -> list[Block]:
    """Hidden layers whose units were alike, at the start by the spec and still at the end."""
    blocks = _constant(case.network.hidden)
    ends = {layer.index: finite(layer.cosine) for layer in case.readings.hidden(case.readings.end)}
    return [b for b in blocks if (cosine := ends.get(b.index)) is None or cosine > _ALIKE / 2]


def _cosine(case: Case, alike: Sequence[Block]) -> float | None:
    indices = {block.index for block in alike}
    found = [
        layer.cosine for layer in case.readings.hidden(case.readings.end) if layer.index in indices
    ]
    return max((c for c in found if c is not None and math.isfinite(c)), default=None)


def _off(case: Case) -> list[tuple[Block, float]]:
    """Layers whose initializer does not go by their size, and whose sums are of another order."""
    return [
        (block, gain)
        for block, gain in _gains(case)
        if not _adapted(block.initializer) and not _SMALL <= gain <= _LARGE
    ]


def _with_time(case: Case, found: Sequence[Change]) -> Sequence[Change]:
    """The same alone, and the first with more epochs where these are few steps."""
    return [*found, changes.both(found[0], longer(case))] if is_short(case) else found


def _fixed(case: Case, off: Sequence[tuple[Block, float]]) -> list[Block]:
    """All blocks whose weights do not go by their size, where some are off: what one passes on
    wrong, the next is given."""
    return [block for block in case.network.blocks if off and not _adapted(block.initializer)]


def _gains(case: Case) -> Iterator[tuple[Block, float]]:
    """Each layer with a kernel, and the size of its sums over that of its inputs, untrained."""
    layers = {layer.index: layer for layer in case.readings.kernels(case.readings.start)}
    size = case.readings.input_rms
    for block in case.network.blocks:
        layer = layers.get(block.index)
        sums = finite(layer.pre_rms) if layer is not None else None
        if size and sums is not None:
            yield block, sums / size
        size = _passed_on(block, layer, sums)


def _passed_on(block: Block, layer: LayerSignals | None, sums: float | None) -> float | None:
    if block.normalized:
        return 1.0
    if layer is None or sums is None:
        return None
    squashes = block.activation in ("sigmoid", "hard_sigmoid", "softmax")
    return 0.5 if squashes else min(sums, 1.0) if block.activation == "tanh" else sums


def _adapted(initializer: Any) -> bool:
    if isinstance(initializer, Mapping):
        scale = float(initializer.get("scale", 1.0))
        return initializer.get("type") == "VarianceScaling" and 0.1 <= scale <= 4.0
    return str(initializer).startswith(_ADAPTED)


def _spread(initializer: Any) -> float:
    """The standard deviation that it draws with, or 1 where that goes by the layer's size."""
    if not isinstance(initializer, Mapping):
        return 0.0 if initializer in ("zeros", "ones") else 1.0
    if initializer.get("type") == "Constant":
        return 0.0
    if initializer.get("type") == "RandomUniform":
        return abs(float(initializer.get("maxval", 0.0)) - float(initializer.get("minval", 0.0)))
    return float(initializer.get("stddev", 1.0))


def _biased(blocks: Sequence[Block]) -> list[Block]:
    return [b for b in blocks if abs(_bias(b.layer.get("bias_initializer"))) >= _BIAS]


def _bias(initializer: Any) -> float:
    """About the largest bias that it draws."""
    if not isinstance(initializer, Mapping):
        return 0.0
    ends = [float(initializer.get(n, 0.0)) for n in ("value", "mean", "minval", "maxval", "stddev")]
    return max(ends, key=abs)


def _held(case: Case) -> str | None:
    """What the biases do to an untrained model, where that is harm."""
    readings = case.readings
    if readings.start is None:
        return "The biases outweigh what the inputs add up to."
    saturated = readings.saturated(readings.start)
    if saturated is not None and saturated >= SATURATED:
        return f"With these biases {percent(saturated)} of the hidden outputs were saturated."
    return None


def _title(alike: list[Block], off: list[tuple[Block, float]]) -> str:
    if alike:
        return "All units of a layer start alike"
    if off:
        large = any(gain > _LARGE for _, gain in off)
        return f"The initial weights are too {'large' if large else 'small'}"
    return "The initial biases switch the units off"


def _evidence(case: Case, alike: list[Block], off: list[tuple[Block, float]]) -> Iterator[str]:
    if alike:
        cosine = _cosine(case, alike)
        names = ", ".join(str(block.index) for block in alike)
        still = f": at the end their cosine is {number(cosine)}" if cosine is not None else ""
        yield f"The units of layer(s) {names} have equal weights and learn as one{still}."
    for block, gain in off:
        yield (
            f"The sums of layer {block.index} are {number(gain)} times as large as its inputs; "
            f"about 1 is usual."
        )


def _repairs(blocks: Sequence[Block], biased: Sequence[Block]) -> list[Change]:
    found = []
    zero = [changes.put(f"{b.node.pointer}/bias_initializer", "zeros") for b in biased]
    if blocks:
        for kind in ("glorot_uniform", "he_normal"):
            change = changes.initializer(blocks, kind)
            found.append(Change(change.code, change.title, [*change.patch, *zero]))
    elif biased:
        found.append(Change("zero_biases", "biases of 0", zero))
    return found
