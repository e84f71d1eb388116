"""From a piece of a spec to the Keras object that it names: a table, and no deserializer.

A new layer, optimizer, initializer or schedule is a class in `contract` and an entry here.
"""

from collections.abc import Callable
from typing import Any

import keras

from contract.experiment import initializers, layers, losses, optimizers
from contract.experiment.base import Part
from contract.experiment.losses import Loss
from contract.experiment.spec import Model
from worker.training.program import optimizers as program_optimizers


def _clip(x_min: float, x_max: float, **more: Any) -> Any:
    """Keras has it as an operation alone, which its own Activation may apply.

    A layer class of ours would be in the stored model, which would then need us to be loaded.
    """
    x = keras.Input(())
    clip = keras.Model(x, keras.ops.clip(x, x_min, x_max)).operations[-1]
    return keras.layers.Activation(clip, **more)


CONSTRUCTORS: dict[type[Part], Callable[..., Any]] = {
    layers.Activation: keras.layers.Activation,
    layers.AveragePooling2D: keras.layers.AveragePooling2D,
    layers.BatchNormalization: keras.layers.BatchNormalization,
    layers.Clip: _clip,
    layers.Conv2D: keras.layers.Conv2D,
    layers.Dense: keras.layers.Dense,
    layers.DepthwiseConv2D: keras.layers.DepthwiseConv2D,
    layers.Dropout: keras.layers.Dropout,
    layers.Flatten: keras.layers.Flatten,
    layers.GaussianNoise: keras.layers.GaussianNoise,
    layers.GlobalAveragePooling2D: keras.layers.GlobalAveragePooling2D,
    layers.LayerNormalization: keras.layers.LayerNormalization,
    layers.MaxPooling2D: keras.layers.MaxPooling2D,
    layers.Rescaling: keras.layers.Rescaling,
    layers.Reshape: keras.layers.Reshape,
    layers.SeparableConv2D: keras.layers.SeparableConv2D,
    layers.ZeroPadding2D: keras.layers.ZeroPadding2D,
    initializers.Constant: keras.initializers.Constant,
    initializers.RandomNormal: keras.initializers.RandomNormal,
    initializers.RandomUniform: keras.initializers.RandomUniform,
    initializers.TruncatedNormal: keras.initializers.TruncatedNormal,
    initializers.VarianceScaling: keras.initializers.VarianceScaling,
    initializers.L1: keras.regularizers.L1,
    initializers.L2: keras.regularizers.L2,
    initializers.L1L2: keras.regularizers.L1L2,
    optimizers.Adagrad: keras.optimizers.Adagrad,
    optimizers.Adam: program_optimizers.Adam,
    optimizers.AdamW: program_optimizers.Adam,
    optimizers.Nadam: keras.optimizers.Nadam,
    optimizers.RMSprop: program_optimizers.RMSprop,
    optimizers.SGD: keras.optimizers.SGD,
    optimizers.CosineDecay: keras.optimizers.schedules.CosineDecay,
    optimizers.ExponentialDecay: keras.optimizers.schedules.ExponentialDecay,
    optimizers.InverseTimeDecay: keras.optimizers.schedules.InverseTimeDecay,
    optimizers.PiecewiseConstantDecay: keras.optimizers.schedules.PiecewiseConstantDecay,
    optimizers.PolynomialDecay: keras.optimizers.schedules.PolynomialDecay,
    losses.BinaryCrossentropy: keras.losses.BinaryCrossentropy,
    losses.CategoricalCrossentropy: keras.losses.CategoricalCrossentropy,
    losses.Huber: keras.losses.Huber,
}
LOSSES: dict[str, Callable[[], Any]] = {
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    "huber": keras.losses.Huber,
    "kl_divergence": keras.losses.KLDivergence,
    "log_cosh": keras.losses.LogCosh,
    "mean_absolute_error": keras.losses.MeanAbsoluteError,
    "mean_squared_error": keras.losses.MeanSquaredError,
    "mean_squared_logarithmic_error": keras.losses.MeanSquaredLogarithmicError,
    "poisson": keras.losses.Poisson,
    "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
}


def construct(part: Part, **more: Any) -> Any:
    """The Keras object of the same name and arguments, and of the arguments `more`.

    Arguments are made in the order of their fields, which is the order in which Keras draws
    seeds: after `set_random_seed` the initial weights are those of a script that says the same.
    """
    arguments = {
        name: construct(value) if isinstance(value, Part) else value
        for name, value in part
        if name != "type"
    }
    return CONSTRUCTORS[type(part)](**arguments, **more)


def construct_loss(loss: Loss) -> Any:
    """A `keras.losses.Loss`, averaging over the batch."""
    return LOSSES[loss]() if isinstance(loss, str) else construct(loss)


def build(model: Model, input_shape: tuple[int, ...]) -> Any:
    """A `keras.Sequential` with its weights, for inputs of `input_shape` (no batch axis)."""
    *inner, last = model.layers
    layers = [construct(layer, dtype=model.dtype_policy) for layer in inner]
    # Of a softmax in 16 bits the logarithm is too coarse to learn from.
    return keras.Sequential([keras.Input(input_shape), *layers, construct(last, dtype="float32")])
