"""What the fields of the API mean, by their name: one word means the same wherever it stands.

A model that says more of a field itself (`Field(description=...)`) is not overruled.
"""

from collections.abc import Mapping
from typing import Any, get_args

from contract.initializers import InitializerObject, Regularizer
from contract.layers import Layer
from contract.losses import LossObject
from contract.optimizers import Optimizer, Schedule

FIELDS = {
    "activation": "activation function of the outputs, by its Keras name",
    "alpha": "lowest learning rate, as a share of the initial one",
    "amsgrad": "whether the largest second moment so far is used",
    "at": "time, UTC",
    "batch_size": "training examples of a step",
    "beta_1": "decay of the first moment's estimate, a step",
    "beta_2": "decay of the second moment's estimate, a step",
    "bias_initializer": "how the bias begins",
    "bias_regularizer": "penalty on the bias; null is none",
    "boundaries": "steps at which the learning rate changes, ascending",
    "by": "whether the file had a test part, or one was split off here",
    "bytes": "size in bytes",
    "cancel": "POST: stop it",
    "center": "whether a learnt offset is added",
    "centered": "whether gradients are normalised by their estimated variance",
    "checks": "all that was looked at",
    "clipnorm": "largest norm of the gradient of each weight; null is no limit",
    "clipvalue": "largest absolute value of a gradient; null is no limit",
    "code": "for programs",
    "created_at": "when it was made, UTC",
    "curves": "GET: the learning curve so far",
    "cycle": "whether the decay begins anew after decay_steps",
    "data": "the items of this page",
    "dataset": "what to train on, and how it is prepared",
    "datasets": "GET: what can be trained on",
    "decay_rate": "factor, or for InverseTimeDecay slope, of the decay after decay_steps",
    "decay_steps": "steps (batches) that the decay takes",
    "delta": "error from which the loss grows linearly, in the targets' unit",
    "depth_multiplier": "outputs of each input channel",
    "depthwise_initializer": "how the depthwise kernel begins",
    "depthwise_regularizer": "penalty on the depthwise kernel; null is none",
    "description": "what it is, in words",
    "detail": "in words",
    "device": "where it may run",
    "diagnosis": "what was found out about the run; null where nothing was",
    "dilation_rate": "spacing of the window's points: one number, or [height, width]",
    "distribution": "shape of the distribution that is drawn from",
    "docs": "GET: these pages, for people",
    "early_stopping": "when to end before the last epoch; null is never",
    "end_learning_rate": "learning rate after decay_steps",
    "epochs": "passes over the training examples, at most",
    "epsilon": "small constant that keeps a division finite",
    "error": "what ended the job; null unless it failed",
    "events": "GET: all that happened to it, as pages or as a stream",
    "examples": "size, in examples",
    "filters": "number of output channels",
    "finished_at": "when it ended, UTC; null until then",
    "fraction": "share of the training examples that validates",
    "from_logits": "whether the model's outputs are logits, not probabilities",
    "global_clipnorm": "largest norm of all gradients together; null is no limit",
    "has_more": "whether there is a next page",
    "headline": "the verdict in a sentence; null until there is one",
    "heartbeat_at": "when it last said that it lives, UTC",
    "id": "unique, and sorts by time of making",
    "initial_accumulator_value": "what the sums of squared gradients begin with",
    "initial_learning_rate": "learning rate at the first step",
    "job": "id of the job",
    "jobs": "GET: your jobs; POST: a new one",
    "kernel_initializer": "how the kernel begins",
    "kernel_regularizer": "penalty on the kernel; null is none",
    "kernel_size": "window, in points: one number, or [height, width]",
    "kind": "a set that comes with the service, or one's own",
    "l1": "weight of the sum of absolute values in the loss",
    "l2": "weight of the sum of squares in the loss",
    "label_smoothing": "share of each label that is spread over all classes",
    "layers": "from input to output; the input's shape is the dataset's",
    "learning_rate": "step size: a number, or a schedule over the steps",
    "limit": "take the first so many training examples after a seeded shuffle; null is all",
    "loss": "what training makes small: a Keras name, or an object that sets arguments",
    "max": "greatest finite value",
    "maxval": "upper end of the range, exclusive",
    "mean": "mean of the normal distribution",
    "media": "format of the file",
    "metrics": "of the final weights",
    "min": "least finite value",
    "min_delta": "least change of the monitored value that counts as better",
    "minval": "lower end of the range, inclusive",
    "mode": "which count of neighbours scales the variance",
    "model": "the network",
    "momentum": "share of the past that is kept at each step",
    "monitor": "the value that is watched",
    "name": "to recognise it by",
    "nesterov": "whether to look ahead along the momentum",
    "noise": "deviation of the noise that is added; of circles, moons and blobs alone",
    "object": "what kind of object this is",
    "offset": "what is added, after the scaling",
    "on": "on the test part, on a part split off from the training part, or not at all",
    "openapi": "GET: this description, for programs",
    "optimizer": "how the weights are changed",
    "padding": "valid: windows lie within the input; same: the input is padded with zeros",
    "patience": "epochs without anything better after which training ends",
    "pointwise_initializer": "how the pointwise kernel begins",
    "pointwise_regularizer": "penalty on the pointwise kernel; null is none",
    "pool_size": "window, in points: one number, or [height, width]",
    "power": "exponent of the polynomial",
    "priority": "higher ones are taken first",
    "progress": "how far the run has come",
    "rate": "share of the inputs that is set to 0 while training",
    "readiness": "GET: whether the service can do its work",
    "recipes": "GET: experiments that are ready to be posted",
    "restore_best_weights": "whether the weights of the best epoch are the final ones",
    "results": "GET: the whole outcome, once it has ended",
    "retry": "POST: run the experiment again, as a new job",
    "rho": "share of the past that the running mean of squared gradients keeps",
    "samples": "examples to generate, both parts together; of circles, moons and blobs alone",
    "scale": "factor; of normalisation, whether a learnt factor is applied",
    "scaling": "of the inputs: to [0, 1], to [-1, 1], to mean 0 and deviation 1, or none",
    "seed": "where random numbers start: the same seed, the same run",
    "sha256": "SHA-256 of the bytes, in hexadecimal digits",
    "shuffle": "whether each epoch has another order of the training examples",
    "spec": "the experiment",
    "split": "how examples came to be for training or for testing",
    "staircase": "whether the rate falls in steps, not continuously",
    "start_from_epoch": "epochs before the watch begins",
    "started_at": "when it started, UTC; null until then",
    "status": "where it stands",
    "stddev": "standard deviation",
    "stopped_at": "when it ended, UTC; null until then",
    "strides": "points between windows: one number, or [height, width]",
    "tags": "words to find it by",
    "target_scaling": "of the targets while training; metrics stay in the data's own units",
    "target_shape": "shape of one output; one entry may be -1",
    "task": "what is learnt: a class, several labels at once, or numbers",
    "terminate_on_nan": "whether the run ends with an epoch whose loss is no number",
    "test": "the test part",
    "test_examples": "size of the test part, in examples",
    "timing": "how long the parts of the run took",
    "train": "the training part",
    "train_examples": "size of the training part, in examples",
    "training": "what model.compile and model.fit are told",
    "transitions": "each status that it came to, with the time; the oldest first",
    "type": "which of the alternatives this is",
    "units": "number of outputs",
    "updated_at": "when it last changed, UTC",
    "urls": "paths on this server of what belongs to it",
    "use_bias": "whether a bias is added",
    "validation": "what is measured at each epoch's end",
    "value": "of every entry",
    "values": "learning rates: one more than boundaries",
    "verdict": "whether the model learned; null until the run succeeded",
    "version": "of the service",
    "warmup_steps": "steps that the rise to warmup_target takes",
    "warmup_target": "learning rate after the warm-up; null is no warm-up",
    "weight_decay": "share of the weights that is taken off at each step, times the learning rate",
    "x_max": "largest output",
    "x_min": "smallest output",
}
PARAMETERS = {
    "dataset": "only jobs on this dataset",
    "job_id": "id of one of your jobs",
    "name": "one of those that the list has",
    "status": "only jobs with this status; given several times, with any of them",
    "tag": "only jobs with this tag; given several times, with all of them",
    "verdict": "only jobs with this verdict",
}
# Where Keras has what a spec names; `Clip` is none of its layers.
_KERAS = {
    "layers": Layer,
    "optimizers": Optimizer,
    "optimizers.schedules": Schedule,
    "losses": LossObject,
    "initializers": InitializerObject,
    "regularizers": Regularizer,
}


def describe(document: Mapping[str, Any]) -> None:
    """Give each schema, field and parameter of an OpenAPI document its description, in place."""
    schemas = document["components"]["schemas"]
    for package, union in _KERAS.items():
        for part in get_args(get_args(union)[0]):
            schema = schemas[part.__name__]
            schema.setdefault("description", f"`keras.{package}.{part.__name__}`.")
    for schema in schemas.values():
        for name, field in schema.get("properties", {}).items():
            _give(field, FIELDS, name)
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                _give(parameter, PARAMETERS, parameter["name"])


def _give(target: dict[str, Any], words: Mapping[str, str], name: str) -> None:
    if name in words:
        target.setdefault("description", words[name])
