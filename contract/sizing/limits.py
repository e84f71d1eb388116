"""What a run may cost, and what a valid experiment still cannot do: checked before it is stored."""

from collections.abc import Sequence
from math import inf

from contract.errors import SpecRefused
from contract.experiment.datasets import ENCODINGS, OPTIONS, Dataset, Facts
from contract.experiment.layers.core import Embedding
from contract.experiment.losses import loss_of
from contract.experiment.measured import Metric
from contract.experiment.nearest import nearest
from contract.experiment.spec import Experiment
from contract.experiment.whole_numbers import takers
from contract.settings import Settings
from contract.sizing.class_weights import class_weights
from contract.sizing.cost import Cost, cost, largest_batch, training_examples
from contract.sizing.metric_fit import metrics_of
from contract.sizing.trace import LayerFacts


def check(experiment: Experiment, facts: Facts, settings: Settings) -> Cost:
    """What `experiment` costs; `facts` are those of its dataset.

    Raises SpecRefused, with a pointer to the field at fault, for a model that cannot be built or
    trained and for a run over the budget. A batch larger than the training part is one batch, as
    in Keras; a `limit` beyond the dataset keeps all of it.
    """
    _check_dataset(experiment, facts)
    _check_layers(experiment, settings)
    _check_compilation(experiment)
    _check_length(experiment, facts, settings)
    expected = cost(experiment, facts)
    _check_parameters(expected, settings)
    _check_memory(experiment, facts, expected, settings)
    _check_work(experiment, expected, settings)
    _check_lookups(experiment, facts)
    metrics = metrics_of(experiment, facts, expected.output_shape)
    class_weights(experiment, facts)
    _check_weights(experiment, facts)
    _check_callbacks(experiment, facts, metrics)
    return expected


def time_limit(experiment: Experiment, settings: Settings) -> float:
    """Seconds that a run of `experiment` may train."""
    return min(experiment.training.max_seconds or inf, settings.max_train_seconds)


def _check_dataset(experiment: Experiment, facts: Facts) -> None:
    dataset = experiment.dataset
    own = OPTIONS.get(dataset.name, ())
    options = dict.fromkeys(option for options in OPTIONS.values() for option in options)
    for option in options:
        if option not in own and getattr(dataset, option) is not None:
            others = ", ".join(name for name, options in OPTIONS.items() if option in options)
            raise SpecRefused(
                f"/dataset/{option}",
                f"{option} belongs to {others} alone; {dataset.name} "
                f"{'has ' + ', '.join(own) if own else 'is fixed'}: leave it out",
            )
    _check_options(dataset, facts)
    if dataset.target == "inputs" and dataset.target_scaling != "none":
        raise SpecRefused(
            "/dataset/target_scaling",
            "the targets are the inputs, as dataset.scaling scales them: leave target_scaling out",
        )
    if dataset.target_scaling != "none" and facts.task != "regression":
        labels = "classes" if facts.task == "classification" else "labels of 0 and 1"
        raise SpecRefused(
            "/dataset/target_scaling",
            f"target_scaling belongs to regression; {dataset.name} has {labels}: leave it out",
        )


def _check_options(dataset: Dataset, facts: Facts) -> None:
    known = ENCODINGS.get(dataset.name, ())
    if dataset.encoding is not None and dataset.encoding not in known:
        raise SpecRefused(
            "/dataset/encoding",
            f"{dataset.name} is encoded as {' or '.join(known)}; received {dataset.encoding}",
        )
    if dataset.maxlen is not None and dataset.encoding == "multi_hot":
        raise SpecRefused(
            "/dataset/maxlen",
            "maxlen belongs to ids; multi_hot has a number for each of num_words, which is 1 where "
            "the word is there: leave maxlen out",
        )
    if dataset.name == "addition":
        digits = facts.targets - 1
        sums = 10**digits * (10**digits + 1) // 2
        samples = dataset.samples or facts.train_examples + facts.test_examples
        if samples > sums:
            raise SpecRefused(
                "/dataset/samples",
                f"there are {sums:,} questions with numbers of up to {digits} digit(s), and none "
                f"comes twice; this is {samples:,}: take fewer",
            )


def _check_weights(experiment: Experiment, facts: Facts) -> None:
    training = experiment.training
    weighted = facts.weighted and training.sample_weight == "on"
    if (weighted or training.class_weight is not None) and loss_of(training.loss).is_of_batch:
        otherwise = "turn sample_weight off" if weighted else "leave class_weight out"
        raise SpecRefused(
            "/training/loss",
            f"this loss adds up over the batch, so that no example can count more than another: "
            f"set its axis to 1, or {otherwise}",
        )


def _check_layers(experiment: Experiment, settings: Settings) -> None:
    layers = len(experiment.model.layers)
    if layers > settings.max_layers:
        raise SpecRefused(
            "/model/layers",
            f"a model may have {settings.max_layers:,} layers here; received {layers:,}",
        )


def _check_compilation(experiment: Experiment) -> None:
    scaled = experiment.training.optimizer.loss_scale_factor is not None
    if scaled and experiment.model.dtype_policy == "mixed_float16":
        raise SpecRefused(
            "/training/optimizer/loss_scale_factor",
            "mixed_float16 scales the loss by itself, and its gradients would be divided by both "
            "scales: leave loss_scale_factor out",
        )
    if experiment.training.jit_compile is not True:
        return
    for node in experiment.model.graph.nodes:
        if fault := node.layer.xla_fault:
            raise SpecRefused(
                "/training/jit_compile",
                f"XLA {fault} (layer {node.index}): leave jit_compile out, or take another layer",
            )


def _check_length(experiment: Experiment, facts: Facts, settings: Settings) -> None:
    training = experiment.training
    if training.epochs > settings.max_epochs:
        raise SpecRefused(
            "/training/epochs",
            f"a run may have {settings.max_epochs:,} epochs here; received {training.epochs:,}",
        )
    examples = training_examples(experiment, facts)
    _check_split(experiment, experiment.dataset.train_examples(facts), examples)
    if examples * training.epochs > settings.max_examples:
        raise SpecRefused(
            "/training/epochs",
            f"a run may visit {settings.max_examples:,} examples here; {training.epochs:,} epochs "
            f"of {examples:,} are {examples * training.epochs:,}: take fewer epochs, or set a "
            f"dataset.limit",
        )


def _check_split(experiment: Experiment, total: int, examples: int) -> None:
    validation = experiment.training.validation
    if validation.on == "split" and not 0 < examples < total:
        raise SpecRefused(
            "/training/validation/fraction",
            f"{validation.fraction} of {total:,} training examples leaves {examples:,} for "
            f"training and {total - examples:,} for validation; expected at least one for each: "
            f"change the fraction",
        )


def _check_parameters(expected: Cost, settings: Settings) -> None:
    if expected.parameters > settings.max_parameters:
        largest = max(expected.layers, key=lambda layer: layer.parameters)
        raise SpecRefused(
            _size(largest),
            f"a model may have {settings.max_parameters:,} parameters here; this one has "
            f"{expected.parameters:,}, of which this layer {largest.parameters:,}: make it smaller",
        )
    if expected.trainable_parameters == 0:
        raise SpecRefused(
            "/model/layers",
            "the model has nothing to train: add a layer with weights, such as Dense",
        )


def _size(layer: LayerFacts) -> str:
    """The pointer to the argument that decides a layer's size, or to the layer."""
    at, given = layer.node.pointer, type(layer.node.layer).model_fields
    return next(
        (
            f"{at}/{name}"
            for name in ("units", "filters", "output_dim", "kernel_size")
            if name in given
        ),
        at,
    )


def _check_memory(experiment: Experiment, facts: Facts, expected: Cost, settings: Settings) -> None:
    if expected.memory_bytes <= settings.max_memory_bytes:
        return
    memory = expected.memory
    raise SpecRefused(
        _largest_use(experiment, facts, expected, settings),
        f"a run may take {settings.max_memory_bytes:,} bytes of memory here; this one is estimated "
        f"at {expected.memory_bytes:,}: {memory.weights:,} for weights, gradients and optimizer, "
        f"{memory.activations:,} for a batch in flight, {memory.dataset:,} for the dataset: make "
        f"the largest of them smaller",
    )


def _check_work(experiment: Experiment, expected: Cost, settings: Settings) -> None:
    training = experiment.training
    if (training.max_seconds or 0) > settings.max_train_seconds:
        raise SpecRefused(
            "/training/max_seconds",
            f"a run may train for {settings.max_train_seconds:g} s here; received "
            f"{training.max_seconds:g}: take less, or leave it out",
        )
    if expected.flops_total <= settings.max_flops:
        return
    an_epoch = expected.flops_total // training.epochs
    largest = max(expected.layers, key=lambda layer: layer.flops)
    fewer = an_epoch <= settings.max_flops
    raise SpecRefused(
        "/training/epochs" if fewer else _size(largest),
        f"a run may take {settings.max_flops:.3g} FLOPs of training here; {training.epochs:,} "
        f"epochs of {an_epoch:.3g} are {expected.flops_total:.3g}, most of them in layer "
        f"{largest.index}: "
        + ("take fewer epochs, or make that layer smaller" if fewer else "make that layer smaller"),
    )


def _largest_use(experiment: Experiment, facts: Facts, expected: Cost, settings: Settings) -> str:
    memory = expected.memory
    if memory.dataset == max(memory.dataset, memory.weights, memory.activations):
        return "/dataset"
    if memory.weights > memory.activations:
        return _size(max(expected.layers, key=lambda layer: layer.parameters))
    if memory.activations // largest_batch(experiment, facts) <= settings.max_memory_bytes:
        return "/training/batch_size"
    # Not one example would fit.
    return max(expected.layers, key=lambda layer: layer.activations).node.pointer


def _check_lookups(experiment: Experiment, facts: Facts) -> None:
    if experiment.dataset.scaling != "none" or facts.whole_range is None:
        return
    least, most = facts.whole_range
    for node in takers(experiment.model.graph):
        if not isinstance(node.layer, Embedding):
            continue
        rows = node.layer.input_dim
        if least < 0 or most >= rows:
            raise SpecRefused(
                f"{node.pointer}/input_dim",
                f"{node.layer.type} has a row for each of 0 to {rows - 1:,}, and the inputs of "
                f"{experiment.dataset.name} are {least:,} to {most:,}: "
                + ("add the same to all of them" if least < 0 else f"take {most + 1:,}"),
            )


def _check_callbacks(experiment: Experiment, facts: Facts, metrics: Sequence[Metric]) -> None:
    training = experiment.training
    known = _monitors(experiment, metrics)
    for name in ("early_stopping", "reduce_lr_on_plateau", "model_checkpoint"):
        callback = getattr(training, name)
        if callback is not None and callback.monitor not in known:
            near = nearest(callback.monitor, known)
            raise SpecRefused(
                f"/training/{name}/monitor",
                f"{callback.monitor} is not measured in this run, or cannot be gone by, where "
                f'training.validation.on is "{training.validation.on}" and '
                f"{experiment.dataset.name} is a {facts.task} set: expected one of "
                f"{', '.join(known)}{f': did you mean {near}?' if near else ''}",
            )
    rate = training.optimizer.learning_rate
    if training.reduce_lr_on_plateau is not None and not isinstance(rate, float):
        raise SpecRefused(
            "/training/reduce_lr_on_plateau",
            f"the learning rate is a schedule, {type(rate).__name__}, which "
            f"decides by the step alone; expected a number: give one as "
            f"training.optimizer.learning_rate, or leave reduce_lr_on_plateau out",
        )


def _monitors(experiment: Experiment, metrics: Sequence[Metric]) -> list[str]:
    names = [metric.name for metric in metrics if metric.stops]
    if experiment.training.validation.on == "none":
        return names
    return names + [f"val_{name}" for name in names]
