"""An experiment: the JSON that a user POSTs, and that the worker trains."""

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticKnownError

from contract.errors import SpecRefused
from contract.experiment.base import (
    Count,
    Flag,
    Fraction,
    NonNegative,
    Part,
    Positive,
    Seed,
    Whole,
)
from contract.experiment.datasets import Dataset
from contract.experiment.graph import Entry, Graph, GraphFault, graph_of
from contract.experiment.layers import Again, AnyLayer
from contract.experiment.layers.core import Input
from contract.experiment.layers.layer import Layer, LayerName
from contract.experiment.losses import Loss
from contract.experiment.metrics import Given
from contract.experiment.optimizers import Optimizer
from contract.experiment.unions import ByKind

# Without control characters: Postgres stores no NUL, and a log line is a line.
Name = Annotated[
    str, Field(strict=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")
]
Tag = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,62}$")]
Priority = Annotated[int, Field(strict=True, ge=-10, le=10)]
Device = Literal["cpu", "gpu", "any"]
Switch = Literal["on", "off"]
DTypePolicy = Literal["float32", "mixed_bfloat16", "mixed_float16"]
# A metric as curves have it: which there are, `contract.sizing.limits` knows.
Monitor = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")]

ClassName = Annotated[str, Field(strict=True, max_length=100)]
ClassWeights = dict[ClassName, NonNegative]

# Of a model; loss and metrics of several are not told apart yet.
MOST_OUTPUTS = 1
MOST_LAYERS = 2000
# Layers that are checked together take about as many characters of JSON, or are one.
_TOGETHER = 20_000


def _a_few_at_a_time(layers: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """What is wrong with the first layers that are wrong.

    Pydantic finds all errors of a list at once, three in each member of 40,000, and the event loop
    would wait for that. Nobody reads more than the first 20.
    """
    if not isinstance(layers, list):
        return check(layers)
    if len(layers) > MOST_LAYERS:
        context = {"field_type": "List", "max_length": MOST_LAYERS, "actual_length": len(layers)}
        raise PydanticKnownError("too_long", context)
    checked: tuple[Any, ...] = ()
    waiting: list[Any] = []
    size = 0
    for layer in layers:
        waiting.append(layer)
        size += len(str(layer))
        if size > _TOGETHER:
            checked, waiting, size = check([*checked, *waiting]), [], 0
    return check([*checked, *waiting])


class Model(Part):
    """A `keras.Sequential`, or a `keras.Model` where layers name their `inputs`.

    The input shape is the dataset's. `outputs` names the layer whose output is the model's; it need
    not be said where no other layer takes that.

    `dtype_policy` is that of all layers but the last, which computes in float32, as Keras advises;
    weights are kept in float32. With `mixed_float16` the optimizer is wrapped in a
    `keras.optimizers.LossScaleOptimizer`.
    """

    layers: Annotated[
        tuple[AnyLayer, ...],
        Field(min_length=1, max_length=MOST_LAYERS),
        WrapValidator(_a_few_at_a_time),
    ]
    outputs: Annotated[tuple[LayerName, ...], Field(max_length=MOST_OUTPUTS)] = ()
    dtype_policy: DTypePolicy = "float32"

    @cached_property
    def graph(self) -> Graph[Layer]:
        """The layers, and whose output each of them takes.

        Raises SpecRefused, with a pointer, where they make no graph.
        """
        try:
            return graph_of([_entry(layer) for layer in self.layers], self.outputs)
        except GraphFault as fault:
            raise SpecRefused(fault.pointer, fault.detail) from None


def _entry(layer: Layer | Again) -> Entry[Layer]:
    if isinstance(layer, Again):
        return Entry(None, layer.name, layer.inputs, again=layer.layer)
    return Entry(layer, layer.name, layer.inputs, is_input=isinstance(layer, Input))


class Validation(Part):
    """What `val_loss` and its neighbours are measured on at the end of each epoch.

    `test` is the dataset's test part, `split` the last `fraction` of the training part after a
    seeded shuffle, `none` nothing at all.
    """

    on: Literal["test", "split", "none"] = "test"
    fraction: Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)] = 0.1


class EarlyStopping(Part):
    """`keras.callbacks.EarlyStopping`; without validation, monitor `loss` or `accuracy`."""

    monitor: Monitor = "val_loss"
    min_delta: NonNegative = 0.0
    patience: Whole = 0
    restore_best_weights: Flag = False
    start_from_epoch: Whole = 0


class ReduceLROnPlateau(Part):
    """`keras.callbacks.ReduceLROnPlateau`; the learning rate must be a number, not a schedule."""

    monitor: Monitor = "val_loss"
    factor: Annotated[
        Fraction, Field(description="what the learning rate is multiplied by when it falls")
    ] = 0.1
    patience: Annotated[
        Whole,
        Field(description="epochs without anything better after which the learning rate falls"),
    ] = 10
    min_delta: NonNegative = 1e-4
    cooldown: Whole = 0
    min_lr: NonNegative = 0.0


class ModelCheckpoint(Part):
    """`keras.callbacks.ModelCheckpoint` with `save_best_only`: the model that is stored is that of
    the best epoch. It goes before `restore_best_weights` of early stopping."""

    monitor: Monitor = "val_loss"


class Training(Part):
    """What `model.compile` and `model.fit` are told.

    `metrics` are measured besides those that every run of the task has. `class_weight` weights the
    examples of a class in the loss of training alone; `balanced` gives all classes of the training
    part the same weight together. `sample_weight` says whether the weights count that a dataset has
    for its examples. `jit_compile` has XLA compile the training loop, `auto` where that is quicker.
    A run that has trained for `max_seconds`, over all attempts, ends as failed.
    """

    optimizer: Optimizer
    loss: Loss
    metrics: Annotated[
        tuple[Given, ...],
        Field(max_length=100, description="what is measured besides, as `model.compile` takes it"),
    ] = ()
    batch_size: Count = 32
    epochs: Count
    seed: Seed = 0
    shuffle: Flag = True
    validation: Validation = Validation()
    early_stopping: EarlyStopping | None = None
    reduce_lr_on_plateau: ReduceLROnPlateau | None = None
    model_checkpoint: ModelCheckpoint | None = None
    class_weight: Annotated[Literal["balanced"] | ClassWeights, ByKind()] | None = None
    sample_weight: Switch = "on"
    terminate_on_nan: Flag = True
    jit_compile: Annotated[Flag | Literal["auto"], ByKind()] = "auto"
    max_seconds: Positive | None = None


class Experiment(Part):
    """One training run, whole: everything that decides its outcome is in here.

    `repair` is `auto` where a run that ends unhealthy is to prove its repairs by itself.
    """

    name: Name
    tags: Annotated[tuple[Tag, ...], Field(max_length=20)] = ()
    dataset: Dataset
    model: Model
    training: Training
    device: Device = "any"
    signals: Annotated[
        Switch, Field(description="whether it is looked at while it trains, to say why it failed")
    ] = "on"
    priority: Priority = 0
    repair: Literal["off", "auto"] = "off"


def described(experiment: Experiment) -> dict[str, Any]:
    """The experiment with all its defaults, what each layer that is an activation `applies`, and
    which `bends` what it is given.

    So the diagnosis knows layers by what they do, and not each by its name.
    """
    spec = experiment.model_dump(mode="json")
    for node in experiment.model.graph.nodes:
        if node.layer.activates:
            spec["model"]["layers"][node.index]["applies"] = node.layer.applied
        if node.layer.bends:
            spec["model"]["layers"][node.index]["bends"] = True
    return spec
