"""Which of some names was meant by another, and an example of what would be taken.

Case, underscores and the like do not count. Then come the words of the field that mean the same
(`_MEANT`), then names that begin alike, and at last those that are spelt alike.
"""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Any, get_args

from contract.experiment.base import Part, kinds

_LONGEST = 80
# How alike two spellings must be, of 1, to be taken for one another.
_ALIKE = 0.6
# A beginning of fewer letters tells nothing.
_LEAST = 3

_NO_LETTER = re.compile(r"[^a-z0-9]")

# Of what must be given.
_EXAMPLES: Mapping[str, Any] = {
    "activation": "relu",
    "axes": -1,
    "boundaries": [1000],
    "decay_rate": 0.96,
    "decay_steps": 1000,
    "dims": [2, 1],
    "equation": "ab,bc->ac",
    "factor": 0.1,
    "filters": 32,
    "first_decay_steps": 1000,
    "head_dim": 32,
    "height_factor": 0.1,
    "initial_learning_rate": 0.01,
    "input_dim": 1000,
    "kernel_size": 3,
    "key_dim": 32,
    "layer": {"type": "Dense", "units": 64},
    "n": 4,
    "num_classes": 10,
    "num_heads": 4,
    "num_key_value_heads": 4,
    "num_query_heads": 8,
    "output_dim": 64,
    "output_shape": 64,
    "output_size": 4,
    "precision": 0.9,
    "rate": 0.3,
    "recall": 0.9,
    "scale": 0.5,
    "sensitivity": 0.9,
    "specificity": 0.9,
    "stddev": 0.1,
    "target_class_ids": [0],
    "target_shape": [28, 28, 1],
    "units": 64,
    "values": [0.01, 0.001],
    "width_factor": 0.1,
    "x_max": 1.0,
    "x_min": 0.0,
}

# What is meant by words that Keras does not have; of several, the first that is among the names.
_WORDS: Mapping[str, str] = {
    # layers
    "fc fullyconnected linear linearlayer denselayer affine mlp perceptron": "Dense",
    "conv convolution conv2 cnn convolutional": "Conv2D",
    "deconv deconv2d convtranspose convtranspose2d transposedconv": "Conv2DTranspose",
    "depthwise depthwiseconv": "DepthwiseConv2D",
    "separable separableconv": "SeparableConv2D",
    "pool pooling maxpool maxpool2d maxpooling": "MaxPooling2D",
    "maxpool1d": "MaxPooling1D",
    "maxpool3d": "MaxPooling3D",
    "avgpool avgpool2d averagepool avgpooling averagepooling": "AveragePooling2D",
    "avgpool1d": "AveragePooling1D",
    "gap globalavgpool globalaveragepool globalavgpool2d": "GlobalAveragePooling2D",
    "globalmaxpool globalmaxpool2d": "GlobalMaxPooling2D",
    "adaptiveavgpool adaptiveavgpool2d": "AdaptiveAveragePooling2D",
    "bn batchnorm batchnorm1d batchnorm2d batchnorm3d": "BatchNormalization",
    "ln layernorm": "LayerNormalization",
    "gn groupnorm instancenorm": "GroupNormalization",
    "rmsnorm": "RMSNormalization",
    "norm normalize": "Normalization BatchNormalization unit",
    "rnn recurrent elman": "SimpleRNN LSTM",
    "bilstm bigru birnn": "Bidirectional",
    "mha selfattention multiheadselfattention transformer": "MultiHeadAttention",
    "embed wordembedding": "Embedding",
    "concat cat merge": "Concatenate",
    "sum plus residual": "Add",
    "mul times product": "Multiply",
    "dropout1d": "SpatialDropout1D",
    "dropout2d": "SpatialDropout2D",
    "noise gaussian": "GaussianNoise RandomNormal random_normal",
    "upsample upsampling": "UpSampling2D",
    "pad padding zeropad zeropad2d": "ZeroPadding2D",
    "crop cropping": "Cropping2D",
    "flip": "RandomFlip",
    "rotate rotation": "RandomRotation",
    "zoom": "RandomZoom",
    "scale": "Rescaling",
    "view unflatten": "Reshape",
    "ravel": "Flatten",
    "transpose": "Permute",
    "input inputlayer": "Input",
    "sigmoid tanh gelu silu swish selu mish softplus softsign logsoftmax hardsigmoid "
    "hardswish relu6 celu nonlinearity": "Activation",
    # activations
    "none null identity": "linear Identity none",
    "logistic": "sigmoid Activation",
    "lrelu leaky": "leaky_relu LeakyReLU",
    # optimizers
    "gd gradientdescent stochasticgradientdescent momentum nesterov sgdm sgdmomentum": "SGD sgd",
    "adamweightdecay adamwithdecay": "AdamW adamw",
    "rms": "RMSprop rmsprop",
    "radam adabelief amsgrad": "Adam adam",
    "lars": "Lamb lamb",
    # schedules
    "step steplr multistep multisteplr piecewise piecewiseconstant": "PiecewiseConstantDecay",
    "cosine cosineannealing cosineannealinglr warmup": "CosineDecay",
    "sgdr warmrestarts cosineannealingwarmrestarts cosinerestarts": "CosineDecayRestarts",
    "exponential exponentiallr": "ExponentialDecay exponential",
    "inversetime timebased": "InverseTimeDecay",
    "poly polynomial lineardecay linearlr": "PolynomialDecay",
    # losses
    "crossentropy crossentropyloss softmaxcrossentropy softmaxcrossentropywithlogits ce xent "
    "cce logloss nll nllloss negativeloglikelihood categorical": "categorical_crossentropy "
    "CategoricalCrossentropy",
    "scce sparsecrossentropy sparse": "sparse_categorical_crossentropy "
    "SparseCategoricalCrossentropy",
    "bce bceloss bcewithlogits bcewithlogitsloss sigmoidcrossentropy binary": "binary_cross"
    "entropy BinaryCrossentropy",
    "focal focalloss": "categorical_focal_crossentropy CategoricalFocalCrossentropy",
    "mse mseloss l2loss squarederror quadratic rmse": "mean_squared_error MeanSquaredError",
    "mae l1loss absoluteerror": "mean_absolute_error MeanAbsoluteError mae",
    "mape": "mean_absolute_percentage_error MeanAbsolutePercentageError",
    "msle": "mean_squared_logarithmic_error MeanSquaredLogarithmicError",
    "smoothl1 smoothl1loss huberloss": "huber Huber",
    "kl kldivloss kullbackleiblerdivergence": "kl_divergence KLDivergence",
    "cosine cosineloss": "cosine_similarity CosineSimilarity",
    "svm hingeloss multiclasshinge": "categorical_hinge CategoricalHinge",
    "iou jaccard diceloss": "dice Dice",
    # initializers
    "he kaiming kaimingnormal msra": "he_normal HeNormal",
    "kaiminguniform": "he_uniform HeUniform",
    "xavier xavieruniform glorot default": "glorot_uniform GlorotUniform",
    "xaviernormal": "glorot_normal GlorotNormal",
    "lecun": "lecun_normal LecunNormal",
    "normal": "random_normal RandomNormal standard",
    "uniform": "random_uniform RandomUniform",
    "eye": "identity IdentityInitializer",
    # regularizers and constraints
    "l2 ridge weightdecay": "L2 l2 weight_decay",
    "lasso": "L1 l1",
    "elasticnet l1andl2": "L1L2 l1_l2",
    "positive nonnegative": "NonNeg non_neg",
    "max maxnormconstraint": "MaxNorm max_norm",
    # scalings, data, devices, precision
    "minmax 01 zeroone rescale normalized": "unit",
    "standardize standardization standardscaler zscore znorm meanstd": "standard",
    "11 minusoneone tanhscaling": "symmetric",
    "raw off no false": "none off",
    "on yes true": "on",
    "fashion": "fashion_mnist",
    "cifar": "cifar10",
    "cancer breastcancerwisconsin": "breast_cancer",
    "flowers": "iris",
    "cuda nvidia gpu0": "gpu",
    "auto": "any auto",
    "fp16 float16 half mixed": "mixed_float16",
    "bf16 bfloat16": "mixed_bfloat16",
    "fp32 float": "float32",
    "validation val holdout": "split val_loss",
    # metrics
    "acc": "accuracy",
    "valacc validationaccuracy": "val_accuracy",
    "validationloss": "val_loss",
    "meanabsoluteerror": "mae mean_absolute_error",
    "valmeanabsoluteerror": "val_mae",
    "rsquared": "r2",
    # fields
    "lr alpha rate stepsize eta": "learning_rate rate",
    "initialrate initiallr baselr": "initial_learning_rate",
    "batch bs": "batch_size",
    "epoch nepochs numepochs iterations": "epochs",
    "neurons size outdim outfeatures hidden hiddenunits nodes": "units",
    "channels outchannels": "filters",
    "kernel filtersize window": "kernel_size pool_size",
    "stride": "strides",
    "dilation": "dilation_rate",
    "p probability droprate keepprob": "rate",
    "bias": "use_bias",
    "init initializer weightinitializer": "kernel_initializer",
    "regularizer": "kernel_regularizer",
    "wd decay": "weight_decay",
    "beta1": "beta_1",
    "beta2": "beta_2",
    "eps": "epsilon",
    "randomseed randomstate": "seed",
    "lossfunction criterion objective": "loss",
    "opt": "optimizer",
    "network architecture net": "model",
    "data": "dataset",
}
_MEANT: dict[str, list[str]] = {}
for _words, _names in _WORDS.items():
    for _word in _words.split():
        _MEANT.setdefault(_word, []).extend(_names.split())


def nearest(given: str, names: Sequence[str]) -> str | None:
    """The one of `names` that `given` means; None where none is near."""
    asked = plain(given)
    if not asked or len(given) > _LONGEST:
        return None
    by_plain = {plain(name): name for name in names}
    if asked in by_plain:
        return by_plain[asked]
    for name in _MEANT.get(asked, ()):
        if name in names:
            return name
    begun = [short for short in by_plain if len(asked) >= _LEAST and short.startswith(asked)]
    if begun:  # of one, two and three directions pictures are commonest
        return by_plain[min(begun, key=lambda short: ("2d" not in short, len(short)))]
    alike = get_close_matches(asked, by_plain, 1, _ALIKE)
    return by_plain[alike[0]] if alike else None


@lru_cache(10_000)
def plain(name: str) -> str:
    """Without what does not count: case, and all but letters and digits."""
    return _NO_LETTER.sub("", name[:_LONGEST].lower())


def example_of(kind: type[Part], given: str = "") -> dict[str, Any]:
    """An object of this kind that would be taken, be it for `given`."""
    example: dict[str, Any] = {"type": kind.__name__}
    for name, field in kind.model_fields.items():
        if field.is_required() and name != "type":
            example[name] = _EXAMPLES[name]
    if kind.__name__ == "Bidirectional":
        example["layer"] = {"type": "LSTM", "units": 64}
    if kind.__name__ == "Activation":
        functions = get_args(kind.model_fields["activation"].annotation)
        example["activation"] = nearest(given, functions) or _EXAMPLES["activation"]
    return example


@cache
def kind_named(name: str) -> type[Part] | None:
    """The part of an experiment that has this `type`."""
    return next((kind for kind in kinds(Part) if kind.__name__ == name), None)
