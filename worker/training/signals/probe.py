"""The graph that looks at a model with a fixed batch of its training examples.

There is one, for all that is measured: a small model's training takes seconds, and each traced
graph a tenth of one. What needs no gradients is left to NumPy, which traces nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from contract.experiment.graph import Node
from contract.experiment.layers.layer import Layer
from contract.experiment.whole_numbers import takers
from worker.training.built_model import BuiltModel, told, values
from worker.training.signals.activations import Station

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Reading:
    """`outputs` and `pre_activations` (one array per station) have a row per row of the probe.

    `gradients` are those of what training makes small, one array per trainable weight: of the loss,
    with the weights of the examples. `loss` is without these.
    """

    loss: float
    learning_rate: float
    outputs: Array
    pre_activations: Sequence[Array]
    gradients: Sequence[Array]


class Probe:
    """A batch that the model is looked at with: `x` is scaled, `y` laid out as the loss takes it.
    `weights` are those of its rows in the loss of training.

    Dropout and noise are off. Batch normalization takes the statistics of the probe itself, as it
    does in training: its moving averages mean little before many steps. All is computed in
    float32, where training may not be: no loss scale keeps small gradients here. Nothing of the
    model changes, and no seed is consumed. `has_curvature` is false where the loss cannot be
    derived twice, `looks_up` true where inputs name rows of an Embedding.
    """

    def __init__(
        self,
        built: BuiltModel,
        loss: Any,
        optimizer: Any,
        stations: Sequence[Station],
        x: Array,
        y: Array,
        weights: Array | None = None,
        *,
        of_batch: bool = False,
    ) -> None:
        self._built = built
        self._model = built.keras
        self._loss = loss
        self._of_batch = of_batch
        self._optimizer = optimizer
        self._stations = stations
        self._seen_at = {station.at for station in stations}
        self.x = tf.constant(x)
        self.y = tf.constant(y)
        self._everyone = tf.ones(len(x)) if weights is None else tf.constant(weights)
        self.has_curvature = True
        self.looks_up = any(node.layer.looks_up for node in takers(built.graph))
        self._yes, self._no = tf.constant(True), tf.constant(False)
        self.weights = [variable.value for variable in self._model.trainable_variables]
        self._look = tf.function(self._looked_at, autograph=False).get_concrete_function(
            *(tf.TensorSpec(t.shape, t.dtype) for t in (self.x, self.y, self._everyone, self._no)),
            *(tf.TensorSpec(weight.shape, weight.dtype) for weight in self.weights),
        )

    def __len__(self) -> int:
        return int(self.x.shape[0])

    def read(self) -> Reading:
        """All but curvature, at the present weights."""
        return self._reading(self._everyone)

    def gradients_of(self, rows: slice) -> Sequence[Array]:
        """Those of the mean loss over some of the rows."""
        share = np.zeros(len(self), np.float32)
        share[rows] = self._everyone.numpy()[rows] * (len(self) / len(share[rows]))
        return self._reading(tf.constant(share)).gradients

    def hessian_product(self, x: Any, vector: Sequence[Array]) -> list[Array]:
        """The Hessian of the loss by all weights times `vector`, for inputs `x` like the probe's.

        Reverse over reverse: as the Hessian is symmetric that is the same as forward over reverse,
        which TensorFlow takes half as long again to trace and to start (0.2 s against 0.13 s).
        """
        tangents = map(tf.convert_to_tensor, vector)
        with _unoptimized():
            *_, products = self._look(x, self.y, self._everyone, self._yes, *tangents)
        return [np.asarray(product) for product in products]

    def _reading(self, share: Any) -> Reading:
        values = [weight.value() for weight in self.weights]
        with _unoptimized():
            loss, rate, outputs, seen, gradients, _ = self._look(
                self.x, self.y, share, self._no, *values
            )
        return Reading(
            float(loss),
            # Shown as the float32 that it is, 0.01, and not as its double, 0.009999999776482582.
            float(str(rate.numpy())),
            outputs.numpy(),
            [np.asarray(tensor) for tensor in seen],
            [np.asarray(gradient) for gradient in gradients],
        )

    def _looked_at(self, x: Any, y: Any, share: Any, curvature: Any, *vector: Any) -> Any:
        none = tf.UnconnectedGradients.ZERO
        with tf.GradientTape(watch_accessed_variables=False) as second:
            second.watch(self.weights)
            with tf.GradientTape(watch_accessed_variables=False) as first:
                first.watch(self.weights)
                outputs, seen, penalties = self._forward(x)
                losses = self._loss.call(y, outputs)
                # One over a whole batch is a number, or one a class, and none of an example.
                rows = tf.reduce_mean(losses) if self._of_batch else _by_example(losses, outputs)
                penalties = [*penalties, *self._model.losses]
                weighted = tf.add_n([tf.reduce_mean(rows * share), *penalties])
            gradients = _whole(first.gradient(weighted, self.weights, unconnected_gradients=none))

        def product() -> Any:
            found = second.gradient(
                gradients, self.weights, output_gradients=vector, unconnected_gradients=none
            )
            return _whole(found)

        try:
            products = tf.cond(curvature, product, lambda: list(vector))
        except LookupError:  # TensorFlow knows no second derivative of softsign
            self.has_curvature, products = False, list(vector)
        rate = tf.cast(self._optimizer.learning_rate, tf.float32)
        loss = tf.add_n([tf.reduce_mean(rows), *penalties])
        return loss, rate, outputs, [seen[s.at] for s in self._stations], gradients, products

    def _forward(self, x: Any) -> tuple[Any, dict[int, Any], list[Any]]:
        """The model's outputs, what enters the activations of the stations, by node, and the
        penalties on outputs of layers."""
        seen = {}

        def apply(node: Node[Layer], taken: Sequence[Any]) -> Any:
            layer = self._built.layers[node.owner]
            more = {"training": _normalizes_batches(layer), **told(node.layer)}
            with _in_float32(layer):
                if node.index in self._seen_at and node.layer.activates:
                    (seen[node.index],) = taken
                if node.index not in self._seen_at or node.layer.activates:
                    return layer(*taken, **more)
                activation, layer.activation = layer.activation, keras.activations.linear
                entering = seen[node.index] = layer(*taken, **more)
                layer.activation = activation
                given = activation(entering)
                given._keras_mask = getattr(entering, "_keras_mask", None)
                return given

        graph = self._built.graph
        # Keeps moving averages from being assigned.
        with keras.StatelessScope(collect_losses=True) as scope:
            given = values(graph, x, apply)
        (output,) = graph.outputs
        return given[output], seen, scope.losses


def _by_example(losses: Any, outputs: Any) -> Any:
    """The losses of the places of each example in one, so that their mean is the batch's loss.

    Places that a mask passes over do not count, as in Keras.
    """
    if losses.shape.rank == 1:
        return losses
    mask = getattr(outputs, "_keras_mask", None)
    if mask is not None:
        weights = tf.cast(mask, losses.dtype)
        weights = tf.reshape(
            weights, [*weights.shape, *[1] * (losses.shape.rank - mask.shape.rank)]
        )
        losses = losses * tf.math.divide_no_nan(weights, tf.reduce_mean(weights))
    return tf.reduce_mean(losses, axis=[*range(1, losses.shape.rank)])


def _whole(gradients: Sequence[Any]) -> list[Any]:
    """Those of an Embedding come as rows for the numbers that the examples have."""
    return [tf.convert_to_tensor(gradient) for gradient in gradients]


def _normalizes_batches(layer: Any) -> bool:
    while isinstance(layer, keras.layers.TimeDistributed):
        layer = layer.layer
    return isinstance(layer, keras.layers.BatchNormalization)


@contextmanager
def _in_float32(layer: Any) -> Iterator[None]:
    """The layer, and those that it is made of."""
    parts = list(layer._flatten_layers())
    policies = [part.dtype_policy for part in parts]
    for part in parts:
        part.dtype_policy = "float32"
    try:
        yield
    finally:
        for part, policy in zip(parts, policies, strict=True):
            part.dtype_policy = policy


@contextmanager
def _unoptimized() -> Iterator[None]:
    """To optimize this graph takes TensorFlow longer than some fifty calls of it would save."""
    options = tf.config.optimizer
    options.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        options.set_experimental_options({"disable_meta_optimizer": False})
