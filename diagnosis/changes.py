"""Changes of a spec as RFC 6902 patches.

Members of objects are set with `add`, which works whether or not they are there already.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from diagnosis.report import Change, Patch
from diagnosis.run.network import Block, Network, Node
from diagnosis.splicing import insert_after, take_out
from diagnosis.words import number

_SMALLEST, _LARGEST = 1e-30, 1e30


def put(pointer: str, value: Any) -> Mapping[str, Any]:
    """Set a member of an object, or insert before an element of a list."""
    return {"op": "add", "path": pointer, "value": value}


def remove(pointer: str) -> Mapping[str, Any]:
    """Remove a member of an object, or an element of a list."""
    return {"op": "remove", "path": pointer}


def scaling(kind: str) -> Change:
    """The inputs scaled as `dataset.scaling` has it: `unit` or `standard`."""
    words = {"unit": "scaling the inputs to [0, 1]", "standard": "standardising the inputs"}
    return Change(f"scale_inputs_{kind}", words[kind], [put("/dataset/scaling", kind)])


def dtype_policy(kind: str) -> Change:
    """Another precision, as `model.dtype_policy` names it."""
    return Change(
        f"dtype_policy_{kind}", f"computing in {kind}", [put("/model/dtype_policy", kind)]
    )


def target_scaling() -> Change:
    """The targets of a regression, standardised."""
    patch = [put("/dataset/target_scaling", "standard")]
    return Change("scale_targets", "standardising the targets", patch)


def both(first: Change, second: Change) -> Change:
    """Two changes at once; the indices of the second's patch must hold after the first."""
    return Change(
        f"{first.code}_{second.code}",
        f"{first.title}, and {second.title}",
        [*first.patch, *second.patch],
        mask=first.mask or second.mask,
    )


def learning_rate(rate: float, code: str = "learning_rate") -> Change:
    """A constant rate, to two significant digits."""
    kept = float(f"{min(max(rate, _SMALLEST), _LARGEST):.2g}") if math.isfinite(rate) else 0.001
    title = f"a learning rate of {number(kept)}"
    return Change(code, title, [put("/training/optimizer/learning_rate", kept)])


def epochs(count: int) -> Change:
    """So many epochs, at least 1."""
    count = max(1, min(count, 10**9))
    return Change("more_epochs", f"{count:,} epochs", [put("/training/epochs", count)])


def batch_size(size: int) -> Change:
    """Batches of so many examples, at least 1."""
    size = max(1, size)
    patch = [put("/training/batch_size", size)]
    return Change("batch_size", f"batches of {size:,}", patch)


def adam() -> Change:
    """It divides each gradient by its size, and so hides what is wrong with that size."""
    patch = [put("/training/optimizer", {"type": "Adam", "learning_rate": 0.001})]
    return Change("adam", "Adam instead", patch, mask=True)


def activation(blocks: Sequence[Block], kind: str) -> Change:
    """Give each of `blocks` the activation, where its present one is applied.

    Recurrent ones keep theirs: without bounds, what goes from step to step may grow without end.
    """
    others = [block for block in blocks if not block.is_recurrent]
    patch = [operation for block in others for operation in block.activated_by(kind)]
    words = {"leaky_relu": "LeakyReLU", "relu": "ReLU"}.get(kind, kind)
    return Change(f"activation_{kind}", f"{words} in the hidden layers", patch)


def initializer_patch(blocks: Sequence[Block], kind: Any) -> Patch:
    """Let each block's kernel be drawn by `kind`, a name or an object."""
    return [put(f"{block.node.pointer}/{block.kernel}", kind) for block in blocks]


def initializer(blocks: Sequence[Block], kind: str) -> Change:
    """Let each block's kernel be drawn by the initializer of this name."""
    words = {"glorot_uniform": "Glorot's", "he_normal": "He's"}.get(kind, kind)
    patch = initializer_patch(blocks, kind)
    return Change(f"initializer_{kind}", f"{words} initial weights", patch)


def smaller_initializer(blocks: Sequence[Block]) -> Change:
    """Let each block's kernel be drawn with a standard deviation of 0.001."""
    kind = {"type": "RandomNormal", "mean": 0.0, "stddev": 0.001}
    patch = initializer_patch(blocks, kind)
    return Change("smaller_initializer", "smaller initial weights", patch)


def batch_normalization(network: Network, blocks: Sequence[Block]) -> Change:
    """After each of `blocks`."""
    patch = insert_after(network, [b.node for b in blocks], {"type": "BatchNormalization"})
    return Change("batch_normalization", "batch normalisation", patch, mask=True)


def without(network: Network, nodes: Sequence[Node], code: str, title: str) -> Change:
    """Take layers out."""
    return Change(code, title, take_out(network, nodes))


def wider(blocks: Sequence[Block], factor: int, least: int) -> Change:
    """Hidden layers of `factor` times their width, and of `least` units."""
    patch = [
        put(f"{block.node.pointer}/{block.width_argument}", width)
        for block in blocks
        if block.width is not None and (width := max(factor * block.width, least))
    ]
    return Change("more_units", f"{factor} times the units, {least} at least", patch)
