"""Hypothesis strategies that draw layers, stacks of layers and whole experiments, all small.

Sizes are kept low so that Keras builds what is drawn in milliseconds.
"""

from collections.abc import Sequence
from math import prod
from typing import Any, get_args

from hypothesis import strategies as st

from contract.errors import SpecRefused
from contract.experiment.datasets import CATALOGUE, Dataset, DatasetName
from contract.experiment.initializers import OrthogonalRegularizer
from contract.experiment.layers import (
    activation,
    attention,
    core,
    normalization,
    recurrent,
    regularization,
    reshaping,
    wrappers,
)
from contract.experiment.layers.arguments import ActivationName
from contract.experiment.layers.layer import Layer, Shape
from contract.experiment.losses import loss_of
from contract.experiment.optimizers import OPTIMIZERS as KINDS_OF_OPTIMIZERS
from contract.experiment.optimizers import Optimizer
from contract.experiment.spec import (
    DTypePolicy,
    Experiment,
    Model,
    ModelCheckpoint,
    ReduceLROnPlateau,
    Training,
    Validation,
)
from contract.sizing.trace import trace
from tests.spatial_strategies import (
    ACTIVATIONS,
    CONSTRAINTS,
    EINSUM,
    FEW,
    IMAGES,
    PADDINGS,
    PENALTIES,
    PERMUTE,
    RANKS,
    REPEAT,
    SEQUENCES,
    SIDES,
    SPATIAL,
    VOLUMES,
    convolutions,
    global_poolings,
    windows,
)

INITIALIZERS = st.sampled_from(["glorot_uniform", "he_normal", "identity", "orthogonal"])
VECTORS: st.SearchStrategy[Shape] = st.tuples(SIDES)
OTHERS: st.SearchStrategy[Shape] = st.lists(st.integers(1, 4), min_size=2, max_size=5).map(tuple)
# Most of all images.
INPUT_SHAPES = st.sampled_from(
    [*[IMAGES] * 3, *[SEQUENCES] * 2, *[VOLUMES] * 2, *[VECTORS] * 2, OTHERS]
).flatmap(lambda kind: kind)


DENSE = st.builds(
    core.Dense,
    units=st.integers(1, 6),
    activation=ACTIVATIONS,
    use_bias=st.booleans(),
    kernel_initializer=INITIALIZERS,
    kernel_regularizer=st.one_of(
        PENALTIES, st.just(OrthogonalRegularizer(type="OrthogonalRegularizer"))
    ),
    activity_regularizer=PENALTIES,
    kernel_constraint=CONSTRAINTS,
)
RESHAPE = st.builds(
    reshaping.Reshape,
    target_shape=st.lists(st.sampled_from([-1, 1, 2, 3, 4, 6]), min_size=1, max_size=4).map(tuple),
)
AXES = st.sampled_from([-1, 1, 2, -2, (1,), (-1, 1), (1, 2)])
NORMALIZATION: st.SearchStrategy[Layer] = st.one_of(
    st.builds(
        normalization.BatchNormalization,
        axis=st.sampled_from([-1, 1, 2]),
        center=st.booleans(),
        scale=st.booleans(),
        renorm=st.booleans(),
    ),
    st.builds(
        normalization.LayerNormalization, axis=AXES, center=st.booleans(), scale=st.booleans()
    ),
    st.builds(
        normalization.GroupNormalization,
        groups=st.sampled_from([-1, 1, 2, 3]),
        axis=st.sampled_from([-1, 1, -2]),
        center=st.booleans(),
        scale=st.booleans(),
    ),
    st.just(normalization.RMSNormalization()),
    st.builds(normalization.UnitNormalization, axis=AXES),
    st.builds(normalization.Normalization, axis=st.one_of(st.none(), AXES), invert=st.booleans()),
    st.builds(
        normalization.Normalization,
        axis=AXES,
        mean=st.just((1.0, 2.0)),
        variance=st.just((0.5, 3.0)),
    ),
)
SEEDS = st.sampled_from([None, 7])
NOISE_SHAPES = st.sampled_from([None, (None, 1), (1, None, 1), (None, None, 1, None)])
REGULARIZATION: st.SearchStrategy[Layer] = st.one_of(
    st.builds(
        regularization.Dropout,
        rate=st.sampled_from([0.0, 0.3, 1.0]),
        noise_shape=NOISE_SHAPES,
        seed=SEEDS,
    ),
    st.builds(
        regularization.AlphaDropout,
        rate=st.sampled_from([0.0, 0.3]),
        noise_shape=NOISE_SHAPES,
        seed=SEEDS,
    ),
    st.builds(regularization.GaussianDropout, rate=st.sampled_from([0.0, 0.3]), seed=SEEDS),
    st.builds(regularization.GaussianNoise, stddev=st.sampled_from([0.0, 0.1, 1.0]), seed=SEEDS),
    st.builds(regularization.ActivityRegularization, l1=st.just(0.1), l2=st.just(0.1)),
)
SPATIAL_DROPOUT: st.SearchStrategy[Layer] = st.one_of(
    *(
        st.builds(kind, rate=st.sampled_from([0.0, 0.3, 1.0]), seed=SEEDS)
        for kind in (
            regularization.SpatialDropout1D,
            regularization.SpatialDropout2D,
            regularization.SpatialDropout3D,
        )
    )
)
PRELU = st.builds(activation.PReLU, shared_axes=st.sampled_from([None, 1, 2, (1, 2), (1, 3)]))
ELEMENTWISE: st.SearchStrategy[Layer] = st.one_of(
    st.builds(activation.Activation, activation=st.sampled_from(get_args(ActivationName))),
    st.builds(activation.LeakyReLU, negative_slope=st.sampled_from([0.0, 0.3, 1.5])),
    st.builds(
        activation.ReLU,
        max_value=st.sampled_from([None, 1.0]),
        negative_slope=st.sampled_from([0.0, 0.2]),
        threshold=st.sampled_from([0.0, 0.5]),
    ),
    st.builds(activation.ELU, alpha=st.sampled_from([0.5, 1.0])),
    st.builds(activation.Softmax, axis=AXES),
    st.builds(core.Rescaling, scale=st.sampled_from([0.5, -2.0]), offset=st.just(1.0)),
    st.just(core.Clip(x_min=-1.0, x_max=1.0)),
    st.just(core.Identity()),
)
_STEPS: dict[str, st.SearchStrategy[Any]] = {
    "activation": ACTIVATIONS,
    "use_bias": st.booleans(),
    "dropout": st.sampled_from([0.0, 0.3]),
    "recurrent_dropout": st.sampled_from([0.0, 0.3]),
    "seed": SEEDS,
    "return_sequences": st.booleans(),
    "activity_regularizer": PENALTIES,
    "kernel_constraint": CONSTRAINTS,
}
UNITS = st.integers(1, 4)
OF_VECTORS: st.SearchStrategy[Any] = st.one_of(
    st.builds(recurrent.SimpleRNN, units=UNITS, **_STEPS),
    st.builds(recurrent.LSTM, units=UNITS, unit_forget_bias=st.booleans(), **_STEPS),
    st.builds(recurrent.GRU, units=UNITS, reset_after=st.booleans(), **_STEPS),
)
CONV_LSTM: st.SearchStrategy[Any] = st.one_of(
    *(
        st.builds(
            getattr(recurrent, f"ConvLSTM{rank}D"),
            filters=FEW,
            kernel_size=windows(3, rank),
            strides=windows(2, rank),
            padding=PADDINGS,
            dilation_rate=st.sampled_from([1, 1, 2]),
            **_STEPS,
        )
        for rank in RANKS
    )
)
RECURRENT: st.SearchStrategy[Layer] = st.one_of(
    OF_VECTORS,
    CONV_LSTM,
    st.builds(
        recurrent.Bidirectional,
        layer=st.one_of(OF_VECTORS, CONV_LSTM),
        merge_mode=st.sampled_from(["concat", "sum", "mul", "ave"]),
    ),
)
SPECTRAL = st.builds(
    wrappers.SpectralNormalization,
    layer=st.one_of(DENSE, *map(st.one_of, map(convolutions, RANKS))).filter(
        lambda layer: bool(layer.columns)
    ),
    power_iterations=st.integers(1, 2),
)
_INSIDE: list[st.SearchStrategy[Layer]] = [
    *SPATIAL[1],
    *SPATIAL[2],
    DENSE,
    EINSUM,
    RESHAPE,
    OF_VECTORS,
    NORMALIZATION,
    ELEMENTWISE,
    SPECTRAL,
]
# By number: Hypothesis writes a strategy out, and warns where that gets too long.
TIME_DISTRIBUTED: st.SearchStrategy[Layer] = st.builds(
    wrappers.TimeDistributed,
    layer=st.integers(0, len(_INSIDE) - 1).flatmap(lambda number: _INSIDE[number]),
)
_ANYWHERE: list[st.SearchStrategy[Layer]] = [RESHAPE, PERMUTE, EINSUM]
_PARTICULAR: list[st.SearchStrategy[Layer]] = [
    *_ANYWHERE,
    SPATIAL_DROPOUT,
    PRELU,
    RECURRENT,
    SPECTRAL,
    TIME_DISTRIBUTED,
]
# Those that some inputs do not suit, and those that suit every input.
PARTICULAR: st.SearchStrategy[Layer] = st.sampled_from(
    [
        *[kind for kinds in SPATIAL.values() for kind in kinds],
        *map(global_poolings, RANKS),
        *_PARTICULAR,
        REPEAT,
    ]
).flatmap(lambda kind: kind)
_ELSEWHERE = [*_PARTICULAR, DENSE, NORMALIZATION, ELEMENTWISE, REGULARIZATION]


def layers(rank: int) -> st.SearchStrategy[Layer]:
    """Each kind as often as any other; those that end a sequence, an image or a volume come last
    (`stacks`)."""
    kinds = [*SPATIAL.get(rank, [REPEAT]), *_ELSEWHERE]
    return st.sampled_from(kinds).flatmap(lambda kind: kind)


def endings(rank: int) -> st.SearchStrategy[Layer]:
    return st.one_of(st.just(reshaping.Flatten()), *map(global_poolings, {rank} & set(RANKS)))


def refusal(stack: Sequence[Layer], input_shape: Shape) -> SpecRefused | None:
    """Why `trace` refuses the stack, or None where it does not."""
    return refusal_of(Model(layers=tuple(stack)), input_shape)


def refusal_of(model: Model, input_shape: Shape) -> SpecRefused | None:
    """Why `trace` refuses the model, or None where it does not."""
    try:
        trace(model, input_shape)
    except SpecRefused as refused:
        return refused
    return None


@st.composite
def reshapes(draw: st.DrawFn, shape: Shape) -> reshaping.Reshape:
    """A Reshape to an image that keeps every number of `shape`."""
    size = prod(shape)
    height = draw(st.sampled_from([n for n in range(1, size + 1) if size % n == 0]))
    rest = size // height
    width = draw(st.sampled_from([n for n in range(1, rest + 1) if rest % n == 0]))
    return reshaping.Reshape(
        target_shape=(height, width, draw(st.sampled_from([-1, rest // width])))
    )


def fitting(drawn: list[Layer], input_shape: Shape) -> list[Layer]:
    """The layers of `drawn` that `trace` accepts after those before them; never none at all."""
    stack: list[Layer] = []
    for layer in drawn:
        if refusal([*stack, layer], input_shape) is None:
            stack.append(layer)
    return stack or [activation.Activation(activation="linear")]


@st.composite
def stacks(draw: st.DrawFn, input_shape: Shape, largest: int = 8) -> list[Layer]:
    """Layers that fit one another."""
    rank = len(input_shape) - 1
    reshaped = rank not in RANKS and draw(st.booleans())
    begin = [draw(reshapes(input_shape))] if reshaped else []
    rank = 2 if reshaped else rank
    body = [*begin, *draw(st.lists(layers(rank), min_size=2, max_size=largest))]
    ending = [*draw(st.lists(endings(rank), max_size=1)), *draw(st.lists(DENSE, max_size=1))]
    return fitting([*body, *ending], input_shape)


@st.composite
def embedded(draw: st.DrawFn) -> tuple[Shape, list[Layer]]:
    """An Embedding or Masking, which may tell what follows to pass over steps, and layers that
    fit it."""
    words = st.builds(
        core.Embedding,
        input_dim=st.integers(2, 5),
        output_dim=st.integers(1, 4),
        mask_zero=st.booleans(),
        embeddings_constraint=CONSTRAINTS,
    )
    first, input_shape = draw(
        st.one_of(
            st.tuples(words, st.tuples(st.integers(1, 5))),
            st.tuples(st.just(core.Masking(mask_value=1.0)), st.just((3, 2))),
        )
    )
    each = st.builds(wrappers.TimeDistributed, layer=DENSE)
    following = st.one_of(RECURRENT, each, DENSE, REGULARIZATION)
    return input_shape, fitting([first, *draw(st.lists(following, max_size=3))], input_shape)


@st.composite
def misfits(draw: st.DrawFn) -> tuple[Shape, list[Layer]]:
    """An input shape and a stack of which only the last layer is refused by `trace`."""
    input_shape = draw(INPUT_SHAPES)
    stack = fitting(draw(st.lists(layers(len(input_shape) - 1), max_size=2)), input_shape)
    last = draw(PARTICULAR.filter(lambda layer: refusal([*stack, layer], input_shape) is not None))
    return input_shape, [*stack, last]


_COMPARED: dict[str, st.SearchStrategy[Any]] = {
    "dropout": st.sampled_from([0.0, 0.3]),
    "seed": SEEDS,
    "use_causal_mask": st.booleans(),
}
_HEADS: dict[str, st.SearchStrategy[Any]] = {
    **_COMPARED,
    "use_bias": st.booleans(),
    "use_gate": st.booleans(),
    "sliding_window": st.sampled_from([None, None, 1, 2]),
    "kernel_constraint": CONSTRAINTS,
}
ATTENTION: st.SearchStrategy[Any] = st.one_of(
    st.builds(
        attention.Attention,
        use_scale=st.booleans(),
        score_mode=st.sampled_from(["dot", "concat"]),
        **_COMPARED,
    ),
    st.builds(attention.AdditiveAttention, use_scale=st.booleans(), **_COMPARED),
    st.builds(
        attention.MultiHeadAttention,
        num_heads=st.integers(1, 3),
        key_dim=st.integers(1, 3),
        value_dim=st.sampled_from([None, 2]),
        output_shape=st.sampled_from([None, 3, (2,), (2, 3)]),
        **_HEADS,
    ),
    st.builds(
        attention.GroupQueryAttention,
        head_dim=st.integers(1, 3),
        num_query_heads=st.sampled_from([2, 4]),
        num_key_value_heads=st.sampled_from([1, 2]),
        **_HEADS,
    ),
)
# As many numbers each.
_QUERIES: st.SearchStrategy[Shape] = st.sampled_from([(3, 4), (3, 4), (4, 3), (6, 2)])


@st.composite
def attending(draw: st.DrawFn) -> tuple[Shape, Model]:
    """A model that ends in attention between two or three shapes of its inputs."""
    layer = draw(ATTENTION)
    names = ["query", "value", "key"][: draw(st.integers(2, 3))]
    shapes = [draw(_QUERIES) for _ in names]
    if layer.type == "MultiHeadAttention" and draw(st.booleans()):
        shapes = [(2, *(draw(st.sampled_from([(3, 2), (2, 3)])))) for _ in names]
        axes = draw(st.sampled_from([None, 1, 2, (1, 2)]))
        alone = {"attention_axes": axes, "use_causal_mask": False, "sliding_window": None}
        layer = layer.model_copy(update=alone)
    given = [
        reshaping.Reshape(target_shape=shape, name=name, inputs=("x",))
        for name, shape in zip(names, shapes, strict=True)
    ]
    last = layer.model_copy(update={"inputs": tuple(names)})
    return (12,), Model(layers=(core.Input(name="x"), *given, last))


RATES = st.sampled_from([0.0001, 0.01, 1.0])
# Of each kind, what changes which variables it keeps; and what any kind takes.
_CHOICES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "SGD": {"momentum": st.sampled_from([0.0, 0.9]), "nesterov": st.booleans()},
    "RMSprop": {"momentum": st.sampled_from([0.0, 0.9]), "centered": st.booleans()},
    "Adam": {"amsgrad": st.booleans()},
    "AdamW": {"amsgrad": st.booleans()},
    "Adafactor": {"relative_step": st.booleans()},
    "Ftrl": {"l1_regularization_strength": st.sampled_from([0.0, 0.01])},
    "Muon": {"nesterov": st.booleans(), "rms_rate": st.sampled_from([None, 0.2])},
    "ScheduleFreeAdamW": {"warmup_steps": st.sampled_from([0, 5])},
}
_ANY_OPTIMIZER: dict[str, st.SearchStrategy[Any]] = {
    "learning_rate": RATES,
    "use_ema": st.booleans(),
    "gradient_accumulation_steps": st.sampled_from([None, None, 2, 3]),
    "loss_scale_factor": st.sampled_from([None, 2.0]),
}


def optimizers_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    chosen = _CHOICES.get(kind.__name__, {})
    return st.builds(kind, type=st.just(kind.__name__), **_ANY_OPTIMIZER, **chosen)


OPTIMIZERS: st.SearchStrategy[Optimizer] = st.sampled_from(
    [optimizers_of(kind) for kind in KINDS_OF_OPTIMIZERS.values()]
).flatmap(lambda kind: kind)
LOSSES_OF: dict[str, list[str]] = {
    "regression": ["mean_squared_error", "huber", "log_cosh", "mean_absolute_percentage_error"],
    "classification": [
        "categorical_crossentropy",
        "sparse_categorical_crossentropy",
        "categorical_focal_crossentropy",
        "categorical_generalized_cross_entropy",
        "binary_focal_crossentropy",
        "categorical_hinge",
        "squared_hinge",
        "cosine_similarity",
        "dice",
        "tversky",
        "mean_squared_error",
    ],
}
VALIDATIONS = st.builds(
    Validation,
    on=st.sampled_from(["test", "split", "none"]),
    fraction=st.sampled_from([0.1, 0.25, 0.5]),
)
SMALL: tuple[DatasetName, ...] = (
    "digits",
    "iris",
    "wine",
    "breast_cancer",
    "diabetes",
    "circles",
    "moons",
    "blobs",
)


@st.composite
def experiments(draw: st.DrawFn, datasets: tuple[DatasetName, ...] = SMALL) -> Experiment:
    """A valid experiment within the default budget: random layers, then a head that fits."""
    name = draw(st.sampled_from(datasets))
    facts = CATALOGUE[name]
    classes = facts.classes or 1
    head = core.Dense(units=classes, activation="linear" if classes == 1 else "softmax")
    stack = draw(stacks(facts.shape, largest=4))
    optimizer = draw(OPTIMIZERS)
    policies = [*get_args(DTypePolicy)][: 3 if optimizer.loss_scale_factor is None else 2]
    plain = isinstance(optimizer.learning_rate, float)
    falling = ReduceLROnPlateau(monitor="loss", patience=0) if plain else None
    loss: Any = draw(st.sampled_from(LOSSES_OF[facts.task]))
    # A loss over a whole batch has no examples to weigh.
    weighs = facts.classes is not None and not loss_of(loss).is_of_batch
    weights: list[Any] = ["balanced", {"1": 2.0}] if weighs else []
    compiled = not any(layer.xla_fault for layer in stack) and draw(st.booleans())
    return Experiment(
        name=draw(st.text("abc -_é", min_size=1, max_size=20)),
        tags=tuple(draw(st.lists(st.sampled_from(["a", "b/c", "d:1"]), max_size=2))),
        dataset=Dataset(
            name=name,
            scaling=draw(st.sampled_from(["none", "unit", "symmetric", "standard"])),
            limit=draw(st.sampled_from([None, 40, 100])),
        ),
        model=Model(
            layers=(*stack, reshaping.Flatten(), head),
            dtype_policy=draw(st.sampled_from(policies)),
        ),
        training=Training(
            optimizer=optimizer,
            loss=loss,
            batch_size=draw(st.integers(1, 64)),
            epochs=draw(st.integers(1, 3)),
            seed=draw(st.integers(0, 2**31 - 1)),
            shuffle=draw(st.booleans()),
            validation=draw(VALIDATIONS),
            reduce_lr_on_plateau=draw(st.sampled_from([None, falling])),
            model_checkpoint=draw(st.sampled_from([None, ModelCheckpoint(monitor="loss")])),
            class_weight=draw(st.sampled_from([None, *weights])),
            jit_compile=compiled,
        ),
        device=draw(st.sampled_from(["cpu", "gpu", "any"])),
    )
