"""What Keras has and an experiment cannot name, each with its reason.

A test walks Keras' modules: what is in them and no part of ours must be here.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import get_args

from contract.experiment.base import Part, kinds
from contract.experiment.layers.arguments import ActivationName
from contract.experiment.nearest import plain

_BASE = "it is a base for classes of one's own, and no code of a user is run"
_FUNCTION = "it reads or writes Keras' objects in Python"
_CODE = "it runs code of the user's, and no such code is run"
_CELL = "it is one step of a layer: take the layer, such as LSTM, GRU or SimpleRNN"
_LEARNS = (
    "it learns a vocabulary or ranges from the data before training, and a layer here is made "
    "without the data: upload numbers"
)
_AUGMENTS = "it has not been tried yet: take RandomFlip, RandomRotation, RandomContrast or the like"
_PICTURES = "it prepares pictures, which the dataset does: upload them as they are to be"
_SOUND = "it makes pictures of sound, and no dataset has sound"
_MIXES = "it mixes labels as well as pictures, and a layer here has no labels"

# By Keras' modules. Other names of what is there are in `SAME`.
LEFT_OUT: Mapping[str, Mapping[str, str]] = {
    module: {name: reason for names, reason in found.items() for name in names.split()}
    for module, found in {
        "layers": {
            "Layer Wrapper InputSpec": _BASE,
            "serialize deserialize": _FUNCTION,
            "Lambda": f"{_CODE}: take Rescaling, Activation, Reshape or another layer",
            "FlaxLayer JaxLayer TFSMLayer TorchModuleWrapper": _CODE,
            "RNN": "it takes a cell, which may be any code: take LSTM, GRU or SimpleRNN",
            "GRUCell LSTMCell SimpleRNNCell StackedRNNCells": _CELL,
            "TextVectorization StringLookup IntegerLookup Discretization": _LEARNS,
            "CategoryEncoding Hashing HashedCrossing": "it encodes text and categories: upload "
            "numbers, and take Embedding for those of categories",
            "Pipeline": "it is a list of layers for the preparation of data",
            "Resizing CenterCrop AutoContrast Equalization Solarization "
            "ContrastLimitedAdaptiveHistogramEqualization": _PICTURES,
            "MaxNumBoundingBoxes": "it takes boxes, and no label here is one",
            "MelSpectrogram STFTSpectrogram": _SOUND,
            "MixUp CutMix": _MIXES,
            "AugMix RandAugment RandomColorDegeneration RandomColorJitter RandomElasticTransform "
            "RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective "
            "RandomPosterization RandomSaturation RandomSharpness": _AUGMENTS,
            "RandomCrop": "at test it leaves pictures as large as they are, so that no layer after "
            "it fits: take RandomTranslation or RandomZoom",
            "ReversibleEmbedding": "a model calls it in two ways: take Embedding and Dense",
        },
        "optimizers": {
            "schedules": "it is a module",
            "Optimizer": _BASE,
            "serialize deserialize get legacy": _FUNCTION,
            "LossScaleOptimizer": "the dtype_policy mixed_float16 puts it around the optimizer",
            "MultiOptimizer OptimizerMap": "it gives layers optimizers of their own, by the names "
            "of their variables, which an experiment does not know",
        },
        "optimizers.schedules": {
            "LearningRateSchedule": _BASE,
            "serialize deserialize": _FUNCTION,
        },
        "losses": {
            "Loss": _BASE,
            "serialize deserialize get": _FUNCTION,
            "CTC": "it takes labels that are sequences of any length, which no dataset has",
            "Circle": "it takes embeddings, of which accuracy tells nothing: take a crossentropy",
        },
        "metrics": {
            "Metric": _BASE,
            "serialize deserialize get": _FUNCTION,
            "MeanMetricWrapper": f"{_CODE}: take a metric by its name",
            "Mean Sum": "it takes values, and a run has labels and outputs",
            "Accuracy": "it asks whether outputs and labels are equal, which what is learned never "
            "is: accuracy, the name, is measured anyway",
            "huber binary_focal_crossentropy categorical_focal_crossentropy": "it is a function, "
            "and compile takes none by such a name: take it as the loss",
        },
        "initializers": {
            "Initializer": _BASE,
            "serialize deserialize get": _FUNCTION,
            "STFT": "it makes the kernels of a transform of sound, and no dataset has sound",
        },
        "regularizers": {"Regularizer": _BASE, "serialize deserialize get": _FUNCTION},
        "constraints": {"Constraint": _BASE, "serialize deserialize get": _FUNCTION},
        "activations": {
            "serialize deserialize get": _FUNCTION,
            "glu": "it halves the last axis, and an activation here keeps the shape",
            "threshold": "it needs two numbers, and an activation is a name: take the layer ReLU "
            "with a threshold",
        },
    }.items()
}

# Keras' other names of what is there or left out, as far as they are not its name in lower case.
SAME: Mapping[str, Mapping[str, str]] = {
    "layers": {
        "InputLayer": "Input",
        **{f"AvgPool{n}D": f"AveragePooling{n}D" for n in (1, 2, 3)},
        **{f"MaxPool{n}D": f"MaxPooling{n}D" for n in (1, 2, 3)},
        **{f"GlobalAvgPool{n}D": f"GlobalAveragePooling{n}D" for n in (1, 2, 3)},
        **{f"GlobalMaxPool{n}D": f"GlobalMaxPooling{n}D" for n in (1, 2, 3)},
        **{f"Convolution{n}D": f"Conv{n}D" for n in (1, 2, 3)},
        **{f"Convolution{n}DTranspose": f"Conv{n}DTranspose" for n in (1, 2, 3)},
        **{f"SeparableConvolution{n}D": f"SeparableConv{n}D" for n in (1, 2)},
    },
    "metrics": {"log_cosh": "LogCoshError"},
    "initializers": {
        "Identity": "IdentityInitializer",
        "OrthogonalInitializer": "Orthogonal",
        "STFTInitializer": "STFT",
    },
}


@cache
def known(module: str) -> frozenset[str]:
    """The names of ours in Keras' `module`."""
    if module == "activations":
        return frozenset(get_args(ActivationName))
    return frozenset(kind.__name__ for kind in kinds(Part) if kind.namespace == module)


def why(given: str, names: Sequence[str]) -> str | None:
    """Why `given` is not among `names`, which an experiment can name; None if no reason is told."""
    asked = plain(given)
    for module, found in LEFT_OUT.items():
        ours = {plain(name) for name in known(module)}
        if asked in map(plain, found) and any(plain(name) in ours for name in names):
            return next(reason for name, reason in found.items() if plain(name) == asked)
    return None
