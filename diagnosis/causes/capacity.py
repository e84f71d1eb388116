"""A model too small for the task, or one in which a layer lets too little through."""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

from diagnosis import changes
from diagnosis.report import Cause, Change, Finding
from diagnosis.run.case import Case
from diagnosis.run.network import Block, Node
from diagnosis.run.setup import Setup
from diagnosis.words import number, percent

CODE = "too_small_model"

# Units of a hidden layer that is a bottleneck for any task, and what widening makes of them.
_STRANGLED, _NARROW, _USUAL = 2, 3, 32
# Values that a pooling window makes one of, or that strides pass over for each that is taken.
_POOLED = 36
_POOLINGS = [f"{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)]
_CONVOLUTIONS = [
    f"{kind}Conv{rank}D" for kind in ("", "Separable", "Depthwise") for rank in (1, 2, 3)
]
# A range that a hidden Clip leaves.
_CLIPPED = 0.2


def cause(case: Case) -> Cause | None:
    """Blames a layer that lets too little through, and a hidden layer with too few units."""
    if case.broken:
        return None
    lost = [*_losses(case)]
    if lost:
        _, lost_there, repair = lost[0]
        return _cause(case, 0.93, "A layer lets too little through", [lost_there], repair)
    narrow = _narrow(case)
    if not narrow:
        return None
    least = min(block.width or 1 for block in narrow)
    evidence = [
        f"The narrowest hidden layer has {least} unit(s) for {case.classes} output(s).",
        f"On its own training part the model reaches {_reached(case)}.",
    ]
    repair = changes.wider(narrow, 4, _USUAL)
    score = 0.955 if least <= _STRANGLED else 0.9 if least <= _NARROW else 0.75
    return _cause(case, score, "The model is too small", evidence, repair)


def findings(setup: Setup) -> Iterator[Finding]:
    """The same two, by the spec: both are visible before training."""
    for pointer, detail, repair in _losses(setup):
        yield Finding(CODE, "warning", pointer, detail, [repair])
    for block in _narrow(setup):
        detail = f"{block.width} unit(s) are a bottleneck for {setup.classes} output(s)."
        repair = changes.wider([block], 4, _USUAL)
        yield Finding(CODE, "warning", block.node.pointer, detail, [repair])


def _cause(case: Case, score: float, title: str, evidence: list[str], repair: Change) -> Cause:
    return Cause(
        code=CODE,
        title=title,
        score=score,
        evidence=evidence,
        numbers={"train": case.train_value, "width": _least_width(case)},
        repairs=[repair],
        rivals=[changes.epochs(4 * case.procedure.epochs)],
    )


def _least_width(case: Case) -> float | None:
    return min((float(b.width) for b in case.network.hidden if b.width is not None), default=None)


def _narrow(setup: Setup) -> Sequence[Block]:
    if setup.copies_inputs:
        return []  # a narrow layer is what such a model is made for
    limit = max(_NARROW, setup.classes // 2 if setup.classes > 2 else 0)
    return [b for b in setup.network.hidden if b.width is not None and b.width <= limit]


def _reached(case: Case) -> str:
    if case.regression:
        return f"an R2 of {number(case.train_value)}"
    return percent(case.train_value)


def _losses(setup: Setup) -> Iterator[tuple[str, str, Change]]:
    """Layers that throw away most of what they are given: pointer, evidence, repair."""
    for node in setup.network.of_type(*_POOLINGS):
        size = _area(node.layer, "pool_size")
        if size >= _POOLED:
            pointer = f"{node.pointer}/pool_size"
            patch = [changes.put(pointer, 2), changes.put(f"{node.pointer}/strides", None)]
            detail = f"The pooling of layer {node.index} makes one number of {size}."
            window = "x".join("2" * _rank(node.layer))
            yield pointer, detail, Change("smaller_pooling", f"pooling over {window}", patch)
    for node in setup.network.of_type(*_CONVOLUTIONS):
        size = _area(node.layer, "strides")
        if size >= _POOLED:
            pointer = f"{node.pointer}/strides"
            detail = f"The strides of layer {node.index} take one place of {size}."
            yield (
                pointer,
                detail,
                Change("smaller_strides", "strides of 2", [changes.put(pointer, 2)]),
            )
    for node in setup.network.before:
        if node.layer.get("type") == "GlobalAveragePooling2D":
            patch = [changes.remove(node.pointer), changes.put(node.pointer, {"type": "Flatten"})]
            detail = f"Layer {node.index} leaves the model one average of each picture's channel."
            yield node.pointer, detail, Change("flatten", "Flatten instead of the average", patch)
    for node in _clips(setup):
        low, high = float(node.layer["x_min"]), float(node.layer["x_max"])
        detail = f"Layer {node.index} clips what passes it to {number(low)} to {number(high)}."
        repair = changes.without(setup.network, [node], "no_clip", "without the Clip layer")
        yield node.pointer, detail, repair


def _area(layer: Mapping[str, Any], window: str) -> int:
    size = layer[window]
    return prod(size) if isinstance(size, list | tuple) else int(size) ** _rank(layer)


def _rank(layer: Mapping[str, Any]) -> int:
    """Of a layer whose type ends with it: 2 of Conv2D."""
    return int(str(layer["type"])[-2])


def _clips(setup: Setup) -> Iterator[Node]:
    """Those before the head that leave next to no range."""
    head = setup.network.head
    before = setup.network.graph.upstream(head.node) if head is not None else ()
    for node in setup.network.of_type("Clip"):
        if node in before and float(node.layer["x_max"]) - float(node.layer["x_min"]) <= _CLIPPED:
            yield node
