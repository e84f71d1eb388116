"""From a piece of a spec to the Keras object that it names, without Keras' deserializer.

A new layer, optimizer, schedule, loss, metric or initializer is a class in `contract.experiment`:
nothing here.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import keras

from contract.experiment.base import Part
from contract.experiment.graph import Node
from contract.experiment.layers import Again, core
from contract.experiment.layers.layer import Layer
from contract.experiment.losses import Loss, loss_of
from contract.experiment.metrics import KerasMetric
from contract.experiment.optimizers import Adam, AdamW, Optimizer, RMSprop
from contract.experiment.spec import Model
from worker.training.built_model import BuiltModel, told, values
from worker.training.program import optimizers


def _clip(x_min: float, x_max: float, **more: Any) -> Any:
    """Keras has it as an operation alone, which its own Activation may apply.

    A layer class of ours would be in the stored model, which would then need us to be loaded.
    """
    x = keras.Input(())
    clip = keras.Model(x, keras.ops.clip(x, x_min, x_max)).operations[-1]
    return keras.layers.Activation(clip, **more)


# What Keras does not have under the name of the spec, or what is quicker than Keras'.
EXCEPTIONS: dict[type[Part], Callable[..., Any]] = {
    core.Clip: _clip,
    Adam: optimizers.adam,
    AdamW: optimizers.adam,
    RMSprop: optimizers.rmsprop,
}


# What Keras does not take as an argument of a constructor, or not of each one (`trainable`).
_APART = {"type", "inputs", "trainable"}


def construct(part: Part, **more: Any) -> Any:
    """The Keras object of the same name and arguments, and of the arguments `more`.

    Arguments are made in the order of their fields, which is the order in which Keras draws
    seeds: after `set_random_seed` the initial weights are those of a script that says the same.
    A layer within a layer is given `more`, too.
    """
    apart = _APART.union(part.call_arguments) if isinstance(part, Layer) else _APART
    arguments = {name: _made(value, more) for name, value in part if name not in apart}
    made = constructor(type(part))(**arguments, **more)
    if isinstance(part, Layer) and not part.trainable:
        made.trainable = False
    return made


def _made(value: Any, more: Mapping[str, Any]) -> Any:
    if isinstance(value, Layer):
        return construct(value, **more)
    return construct(value) if isinstance(value, Part) else value


def constructor(kind: type[Part]) -> Callable[..., Any]:
    """What makes the Keras object: that of the same name, but for a few."""
    if (own := EXCEPTIONS.get(kind)) is not None:
        return own
    found: Callable[..., Any] = attrgetter(f"{kind.namespace}.{kind.__name__}")(keras)
    return found


def construct_optimizer(optimizer: Optimizer, model: Model) -> Any:
    """The `keras.optimizers.Optimizer` that trains `model`; not yet built.

    It is Keras' own where rows are looked up. A batch has some rows more than once, and Keras
    squares each of their gradients, where a kernel squares the sum.
    """
    looks_up = any(map(_looks_up, model.layers))
    return plain_optimizer(optimizer) if looks_up else construct(optimizer)


def _looks_up(layer: Layer | Again) -> bool:
    inner = getattr(layer, "layer", None)
    return getattr(layer, "looks_up", False) or (isinstance(inner, Layer) and _looks_up(inner))


def plain_optimizer(optimizer: Optimizer) -> Any:
    """Keras' own, where `construct` may make one on TensorFlow's kernels."""
    kind = getattr(keras.optimizers, optimizer.type)
    return kind.from_config(construct(optimizer).get_config())


def construct_loss(loss: Loss) -> Any:
    """A `keras.losses.Loss`, averaging over the batch."""
    return construct(loss_of(loss))


def construct_metric(metric: KerasMetric) -> Any:
    """A `keras.metrics.Metric`."""
    arguments = {name: value for name, value in metric if name not in ("type", "name")}
    # Keras takes lists alone.
    listed = {k: list(v) if isinstance(v, tuple) else v for k, v in arguments.items()}
    return constructor(type(metric))(**listed)


def build(model: Model, input_shape: tuple[int, ...], *, whole: bool = False) -> BuiltModel:
    """The model with its weights, for inputs of `input_shape` (no batch axis).

    A `keras.Sequential` where its graph is a chain. `whole`: it takes int32, else float32.
    """
    graph, x = model.graph, keras.Input(input_shape, dtype="int32" if whole else "float32")
    layers: dict[int, Any] = {}
    if graph.is_chain:
        for node in graph.nodes:
            if not isinstance(node.layer, core.Input):
                layers[node.index] = _layer(model, node)
        return BuiltModel(graph, keras.Sequential([x, *layers.values()]), layers)

    def called(node: Node[Layer], taken: Sequence[Any]) -> Any:
        # Made when it is first called, as in a script: some draw seeds when they are called, too.
        if node.owner not in layers:
            layers[node.owner] = _layer(model, graph[node.owner])
        return layers[node.owner](*taken, **told(node.layer))

    given = values(graph, x, called)
    return BuiltModel(graph, keras.Model(x, [given[index] for index in graph.outputs]), layers)


def _layer(model: Model, node: Node[Layer]) -> Any:
    # Of a softmax in 16 bits the logarithm is too coarse to learn from.
    coarse = node.index in model.graph.outputs or model.dtype_policy in node.layer.in_float32
    return construct(node.layer, dtype="float32" if coarse else model.dtype_policy)
