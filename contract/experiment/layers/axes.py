"""Arguments that name axes, of which Keras counts the batch as 0."""

from typing import Annotated

from pydantic import Field

from contract.experiment.layers.layer import Misfit, Shape
from contract.experiment.unions import ByKind

Axis = Annotated[int, Field(strict=True, ge=-8, le=8)]
Axes = Annotated[Axis | Annotated[tuple[Axis, ...], Field(min_length=1, max_length=8)], ByKind()]


def place(argument: str, axis: int, shape: Shape) -> int:
    """The place in `shape`, which has no batch, of an axis that counts it."""
    found = axis - 1 if axis > 0 else axis + len(shape)
    if axis == 0 or not 0 <= found < len(shape):
        raise Misfit(
            argument,
            f"must name an axis of its input of shape {shape}, where 0 is the batch; received "
            f"{axis}: take 1 to {len(shape)}, or -{len(shape)} to -1",
        )
    return found


def places_of(argument: str, axes: int | tuple[int, ...], shape: Shape) -> list[int]:
    """As `place`, of one axis or several. Raises Misfit where one is named twice."""
    given = (axes,) if isinstance(axes, int) else axes
    found = [place(argument, axis, shape) for axis in given]
    if len(set(found)) < len(found):
        raise Misfit(argument, f"must name each axis once; received {list(given)}")
    return found
