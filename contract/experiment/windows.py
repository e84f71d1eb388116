"""What a layer does to an image (height, width, channels), and what that costs.

Rules as in `contract.experiment.rules`, for the layers that slide a window, and their neighbours.
"""

from math import isqrt, prod

from contract.experiment.layer_arguments import Padding, Window, pair
from contract.experiment.layers import (
    AveragePooling2D,
    Conv2D,
    DepthwiseConv2D,
    GlobalAveragePooling2D,
    MaxPooling2D,
    SeparableConv2D,
    ZeroPadding2D,
)
from contract.experiment.rules import Misfit, Outcome, Shape, activated


def _image(shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise Misfit(
            "",
            f"expects an image of shape (height, width, channels); received shape {shape}: put a "
            f"Reshape with a target_shape of three sizes before it, such as {_as_image(shape)}",
        )
    height, width, channels = shape
    return height, width, channels


def _as_image(shape: Shape) -> list[int]:
    if len(shape) == 2:
        return [*shape, 1]
    side = isqrt(prod(shape))
    return [side, side, 1] if side**2 == prod(shape) else [1, 1, prod(shape)]


def _windows(
    image: Shape,
    window: tuple[str, Window],
    strides: Window,
    padding: Padding,
    dilation: Window = 1,
) -> tuple[int, int]:
    """How many places a window, given with its argument's name, takes: (rows, columns)."""
    name, size = window
    sides = image[:2]
    # A padded window starts at every pixel, as one of a single pixel does.
    spans = [1, 1]
    if padding == "valid":
        spans = [gap * (n - 1) + 1 for n, gap in zip(pair(size), pair(dilation), strict=True)]
    if any(span > side for span, side in zip(spans, sides, strict=True)):
        fits = all(n <= side for n, side in zip(pair(size), sides, strict=True))
        fault = "dilation_rate" if fits else name
        raise Misfit(
            fault,
            f"has a window of {spans[0]}x{spans[1]}, which must fit into its input of "
            f'{sides[0]}x{sides[1]}: make {fault} smaller, or set padding to "same"',
        )
    steps = zip(sides, spans, pair(strides), strict=True)
    rows, columns = ((side - span) // step + 1 for side, span, step in steps)
    return rows, columns


def conv(layer: Conv2D, shape: Shape) -> Outcome:
    _, _, channels = _image(shape)
    if max(pair(layer.strides)) > 1 and max(pair(layer.dilation_rate)) > 1:
        raise Misfit(
            "dilation_rate",
            f"must be 1 where strides are above 1; received dilation_rate {layer.dilation_rate} "
            f"with strides {layer.strides}: set one of them to 1",
        )
    window = ("kernel_size", layer.kernel_size)
    places = _windows(shape, window, layer.strides, layer.padding, layer.dilation_rate)
    weights = prod(pair(layer.kernel_size)) * channels * layer.filters
    return activated(
        layer, (*places, layer.filters), weights, weights * prod(places), _dilated(layer, shape)
    )


def _dilated(layer: Conv2D, shape: Shape) -> int:
    """Numbers in the copies that TensorFlow makes of a dilated layer's input and output.

    On a CPU it pads both directions to a multiple of the rate (SpaceToBatchND), which costs
    gigabytes for a rate of thousands, even where the picture is small.
    """
    rates = pair(layer.dilation_rate)
    if max(rates) == 1:
        return 0
    area = 1
    for side, kernel, rate in zip(shape[:2], pair(layer.kernel_size), rates, strict=True):
        padded = side + (rate * (kernel - 1) if layer.padding == "same" else 0)
        area *= -(-padded // rate) * rate
    return area * (shape[-1] + layer.filters)


def _depthwise(
    layer: DepthwiseConv2D | SeparableConv2D, shape: Shape
) -> tuple[tuple[int, int], int, int]:
    """(rows, columns), channels and weights of the part that filters each channel by itself."""
    _, _, channels = _image(shape)
    if len(set(pair(layer.strides))) > 1:
        raise Misfit(
            "strides",
            f"must be equal in both directions, all that TensorFlow has on every processor; "
            f"received {pair(layer.strides)}: use Conv2D for others",
        )
    places = _windows(shape, ("kernel_size", layer.kernel_size), layer.strides, layer.padding)
    filtered = channels * layer.depth_multiplier
    return places, filtered, prod(pair(layer.kernel_size)) * filtered


def depthwise_conv(layer: DepthwiseConv2D, shape: Shape) -> Outcome:
    places, filtered, weights = _depthwise(layer, shape)
    return activated(layer, (*places, filtered), weights, weights * prod(places))


def separable_conv(layer: SeparableConv2D, shape: Shape) -> Outcome:
    places, filtered, depthwise = _depthwise(layer, shape)
    weights = depthwise + filtered * layer.filters
    return activated(
        layer,
        (*places, layer.filters),
        weights,
        weights * prod(places),
        scratch=filtered * prod(places),
    )


def pooling(layer: MaxPooling2D | AveragePooling2D, shape: Shape) -> Outcome:
    height, width, channels = _image(shape)
    rows, columns = pair(layer.pool_size)
    strides = layer.pool_size if layer.strides is None else layer.strides
    places = _windows(shape, ("pool_size", layer.pool_size), strides, layer.padding)
    output = (*places, channels)
    # A window larger than the picture is clipped to it.
    flops = prod(output) * min(rows, height) * min(columns, width)
    return Outcome(output, flops=flops, activations=prod(output))


def global_pooling(_layer: GlobalAveragePooling2D, shape: Shape) -> Outcome:
    _, _, channels = _image(shape)
    return Outcome((channels,), flops=prod(shape), activations=channels)


def zero_padding(layer: ZeroPadding2D, shape: Shape) -> Outcome:
    height, width, channels = _image(shape)
    given = layer.padding
    (top, bottom), (left, right) = (
        (side, side) if isinstance(side, int) else side
        for side in ((given, given) if isinstance(given, int) else given)
    )
    output = (height + top + bottom, width + left + right, channels)
    return Outcome(output, activations=prod(output))
