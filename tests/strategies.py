"""Hypothesis strategies that draw layers, stacks of layers and whole experiments, all small.

Sizes are kept low so that Keras builds what is drawn in milliseconds.
"""

from math import prod
from typing import get_args

from hypothesis import strategies as st

from contract.errors import SpecRefused
from contract.experiment.datasets import CATALOGUE, Dataset, DatasetName
from contract.experiment.initializers import OrthogonalRegularizer
from contract.experiment.layers import core, normalization, regularization, reshaping
from contract.experiment.layers.layer import Layer, Shape
from contract.experiment.optimizers import SGD, Adagrad, Adam, AdamW, Nadam, Optimizer, RMSprop
from contract.experiment.spec import DTypePolicy, Experiment, Model, Training, Validation
from contract.sizing.trace import trace
from tests.spatial_strategies import (
    ACTIVATIONS,
    CONSTRAINTS,
    EINSUM,
    IMAGES,
    PENALTIES,
    PERMUTE,
    RANKS,
    REPEAT,
    SEQUENCES,
    SIDES,
    SPATIAL,
    VOLUMES,
    global_poolings,
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
NORMALIZATION: st.SearchStrategy[Layer] = st.one_of(
    *(
        st.builds(kind, center=st.booleans(), scale=st.booleans())
        for kind in (normalization.BatchNormalization, normalization.LayerNormalization)
    )
)
ELEMENTWISE: st.SearchStrategy[Layer] = st.one_of(
    st.builds(core.Activation, activation=ACTIVATIONS),
    st.builds(core.LeakyReLU, negative_slope=st.sampled_from([0.0, 0.3, 1.5])),
    st.builds(regularization.Dropout, rate=st.sampled_from([0.0, 0.3, 1.0])),
    st.builds(regularization.GaussianNoise, stddev=st.sampled_from([0.0, 0.1, 1.0])),
    st.builds(core.Rescaling, scale=st.sampled_from([0.5, -2.0]), offset=st.just(1.0)),
    st.just(core.Clip(x_min=-1.0, x_max=1.0)),
)
_ANYWHERE: list[st.SearchStrategy[Layer]] = [RESHAPE, PERMUTE, EINSUM]
# Those that some inputs do not suit, and those that suit every input.
PARTICULAR: st.SearchStrategy[Layer] = st.sampled_from(
    [
        *[kind for kinds in SPATIAL.values() for kind in kinds],
        *map(global_poolings, RANKS),
        *_ANYWHERE,
        REPEAT,
    ]
).flatmap(lambda kind: kind)
_ELSEWHERE = [*_ANYWHERE, DENSE, NORMALIZATION, ELEMENTWISE]


def layers(rank: int) -> st.SearchStrategy[Layer]:
    """Each kind as often as any other; those that end a sequence, an image or a volume come last
    (`stacks`)."""
    kinds = [*SPATIAL.get(rank, [REPEAT]), *_ELSEWHERE]
    return st.sampled_from(kinds).flatmap(lambda kind: kind)


def endings(rank: int) -> st.SearchStrategy[Layer]:
    return st.one_of(st.just(reshaping.Flatten()), *map(global_poolings, {rank} & set(RANKS)))


def refusal(stack: list[Layer], input_shape: Shape) -> SpecRefused | None:
    """Why `trace` refuses the stack, or None where it does not."""
    try:
        trace(Model(layers=tuple(stack)), input_shape)
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
    return stack or [core.Activation(activation="linear")]


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
def misfits(draw: st.DrawFn) -> tuple[Shape, list[Layer]]:
    """An input shape and a stack of which only the last layer is refused by `trace`."""
    input_shape = draw(INPUT_SHAPES)
    stack = fitting(draw(st.lists(layers(len(input_shape) - 1), max_size=2)), input_shape)
    last = draw(PARTICULAR.filter(lambda layer: refusal([*stack, layer], input_shape) is not None))
    return input_shape, [*stack, last]


RATES = st.sampled_from([0.0001, 0.01, 1.0])
OPTIMIZERS: st.SearchStrategy[Optimizer] = st.one_of(
    st.builds(
        SGD,
        type=st.just("SGD"),
        learning_rate=RATES,
        momentum=st.sampled_from([0.0, 0.9]),
        nesterov=st.booleans(),
    ),
    st.builds(
        RMSprop,
        type=st.just("RMSprop"),
        learning_rate=RATES,
        momentum=st.sampled_from([0.0, 0.9]),
        centered=st.booleans(),
    ),
    st.builds(Adam, type=st.just("Adam"), learning_rate=RATES, amsgrad=st.booleans()),
    st.builds(AdamW, type=st.just("AdamW"), learning_rate=RATES, amsgrad=st.booleans()),
    st.builds(Adagrad, type=st.just("Adagrad"), learning_rate=RATES),
    st.builds(Nadam, type=st.just("Nadam"), learning_rate=RATES),
)
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
    losses = (
        ["mean_squared_error", "huber"]
        if facts.task == "regression"
        else ["categorical_crossentropy", "sparse_categorical_crossentropy", "mean_squared_error"]
    )
    head = core.Dense(units=classes, activation="linear" if classes == 1 else "softmax")
    stack = draw(stacks(facts.shape, largest=4))
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
            dtype_policy=draw(st.sampled_from(get_args(DTypePolicy))),
        ),
        training=Training(
            optimizer=draw(OPTIMIZERS),
            loss=draw(st.sampled_from(losses)),
            batch_size=draw(st.integers(1, 64)),
            epochs=draw(st.integers(1, 3)),
            seed=draw(st.integers(0, 2**31 - 1)),
            shuffle=draw(st.booleans()),
            validation=draw(VALIDATIONS),
            jit_compile=compiled,
        ),
        device=draw(st.sampled_from(["cpu", "gpu", "any"])),
    )
