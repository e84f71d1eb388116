"""Hypothesis strategies that draw layers of sequences, images and volumes, all small."""

from typing import Any

from hypothesis import strategies as st

from contract.experiment.constraints import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from contract.experiment.initializers import L1, L2, Regularizer
from contract.experiment.layers import augmentation, convolution, einsum, pooling, reshaping
from contract.experiment.layers.layer import Layer, Shape

ACTIVATIONS = st.sampled_from(["linear", "relu", "sigmoid", "softmax", "tanh", "leaky_relu"])
PADDINGS = st.sampled_from(["valid", "same"])
SIDES, FEW = st.integers(1, 9), st.integers(1, 3)
SEQUENCES: st.SearchStrategy[Shape] = st.tuples(SIDES, FEW)
IMAGES: st.SearchStrategy[Shape] = st.tuples(SIDES, SIDES, FEW)
VOLUMES: st.SearchStrategy[Shape] = st.tuples(*[st.integers(1, 5)] * 3, FEW)
RANKS = (1, 2, 3)
PENALTIES: st.SearchStrategy[Regularizer | None] = st.sampled_from(
    [None, L1(type="L1"), L2(type="L2")]
)
CONSTRAINTS: st.SearchStrategy[Constraint | None] = st.sampled_from(
    [
        None,
        NonNeg(type="NonNeg"),
        UnitNorm(type="UnitNorm", axis=-1),
        MaxNorm(type="MaxNorm"),
        MinMaxNorm(type="MinMaxNorm", rate=0.5, axis=(0,)),
    ]
)


def windows(largest: int, rank: int = 2, least: int = 1) -> st.SearchStrategy[Any]:
    """One number for all directions, or one for each."""
    size = st.integers(least, largest)
    return st.one_of(size, st.tuples(*[size] * rank))


def margins(rank: int) -> st.SearchStrategy[Any]:
    """One number, one for each side, or a pair for each; of one side a pair alone."""
    size = st.integers(0, 2)
    pair = st.tuples(size, size)
    if rank == 1:
        return st.one_of(size, pair)
    return st.one_of(size, st.tuples(*[size] * rank), st.tuples(*[pair] * rank))


def convolutions(rank: int) -> list[st.SearchStrategy[Layer]]:
    shared: dict[str, Any] = {
        "kernel_size": windows(4, rank),
        "strides": st.one_of(st.just(1), windows(3, rank)),
        "padding": PADDINGS,
        "activation": ACTIVATIONS,
        "use_bias": st.booleans(),
        "activity_regularizer": PENALTIES,
        "bias_constraint": CONSTRAINTS,
    }
    kernel = {"kernel_regularizer": PENALTIES, "kernel_constraint": CONSTRAINTS}
    dilated = {"dilation_rate": st.one_of(st.just(1), windows(3, rank))}
    found: list[st.SearchStrategy[Layer]] = [
        st.builds(
            getattr(convolution, f"Conv{rank}D"),
            filters=st.integers(1, 4),
            groups=st.sampled_from([1, 1, 1, 2, 3]),
            **shared
            | kernel
            | dilated
            | ({"padding": st.sampled_from(["valid", "same", "causal"])} if rank == 1 else {}),
        ),
        st.builds(
            getattr(convolution, f"Conv{rank}DTranspose"),
            filters=st.integers(1, 4),
            output_padding=st.one_of(st.none(), windows(2, rank, least=0)),
            **shared | kernel | {"strides": windows(3, rank)},
        ),
    ]
    if rank < 3:
        depthwise = shared | dilated | {"strides": st.one_of(st.integers(1, 3), windows(3, rank))}
        depthwise |= {"depth_multiplier": FEW, "depthwise_constraint": CONSTRAINTS}
        found.append(st.builds(getattr(convolution, f"DepthwiseConv{rank}D"), **depthwise))
        separable = depthwise | {"pointwise_constraint": CONSTRAINTS}
        found.append(
            st.builds(
                getattr(convolution, f"SeparableConv{rank}D"),
                filters=st.integers(1, 4),
                **separable,
            )
        )
    return found


def _poolings(rank: int) -> st.SearchStrategy[Layer]:
    return st.one_of(
        *(
            st.builds(
                getattr(pooling, f"{kind}Pooling{rank}D"),
                pool_size=windows(4, rank),
                strides=st.one_of(st.none(), windows(3, rank)),
                padding=PADDINGS,
            )
            for kind in ("Max", "Average")
        ),
        *(
            st.builds(
                getattr(pooling, f"Adaptive{kind}Pooling{rank}D"), output_size=windows(4, rank)
            )
            for kind in ("Max", "Average")
        ),
    )


def _reshapings(rank: int) -> st.SearchStrategy[Layer]:
    size = windows(3, rank) if rank > 1 else FEW
    interpolated: dict[str, Any] = {}
    if rank == 2:
        ways = ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"]
        interpolated = {"interpolation": st.sampled_from(ways)}
    return st.one_of(
        st.builds(getattr(reshaping, f"ZeroPadding{rank}D"), padding=margins(rank)),
        st.builds(getattr(reshaping, f"Cropping{rank}D"), cropping=margins(rank)),
        st.builds(getattr(reshaping, f"UpSampling{rank}D"), size=size, **interpolated),
    )


def global_poolings(rank: int) -> st.SearchStrategy[Layer]:
    return st.one_of(
        *(
            st.builds(getattr(pooling, f"Global{kind}Pooling{rank}D"), keepdims=st.booleans())
            for kind in ("Max", "Average")
        )
    )


PERMUTE = st.integers(1, 4).flatmap(
    lambda axes: st.builds(reshaping.Permute, dims=st.permutations(range(1, axes + 1)).map(tuple))
)
REPEAT = st.builds(reshaping.RepeatVector, n=FEW)
EINSUM = st.builds(
    lambda terms, units, **more: einsum.EinsumDense(
        equation=terms[0], output_shape=units, bias_axes=terms[1], **more
    ),
    terms=st.sampled_from(
        [
            ("ab,bc->ac", "c"),
            ("...x,xy->...y", None),
            ("...x,xy->...y", "y"),
            ("ab...,bc->ac...", "c"),
        ]
    ),
    units=st.one_of(st.integers(1, 4), st.tuples(st.integers(1, 4))),
    activation=ACTIVATIONS,
)
_RANGED: dict[str, st.SearchStrategy[Any]] = {
    "factor": st.sampled_from([0.1, (0.0, 0.3)]),
    "value_range": st.just((0.0, 1.0)),
}
AUGMENTATION: st.SearchStrategy[Layer] = st.one_of(
    st.builds(augmentation.RandomFlip, mode=st.sampled_from(["horizontal", "vertical"])),
    st.builds(augmentation.RandomRotation, factor=st.sampled_from([0.2, (-0.1, 0.3)])),
    st.builds(
        augmentation.RandomZoom,
        height_factor=st.sampled_from([0.2, (-0.1, 0.3)]),
        width_factor=st.sampled_from([None, 0.1]),
        fill_mode=st.sampled_from(["reflect", "wrap", "constant", "nearest"]),
    ),
    st.builds(
        augmentation.RandomTranslation, height_factor=st.just(0.2), width_factor=st.just(0.1)
    ),
    st.builds(augmentation.RandomShear, x_factor=st.sampled_from([0.0, 0.2])),
    st.builds(augmentation.RandomContrast, **_RANGED),
    st.builds(augmentation.RandomBrightness, **_RANGED),
    st.builds(augmentation.RandomErasing, **_RANGED),
)
# Of each rank, as often one kind as another.
SPATIAL: dict[int, list[st.SearchStrategy[Layer]]] = {
    rank: [*convolutions(rank), _poolings(rank), _reshapings(rank)] for rank in RANKS
}
SPATIAL[2].append(AUGMENTATION)
