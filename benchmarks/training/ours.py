"""Plateau, Keras, NumPy by hand, and the floor that nothing gets under."""

import tempfile
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.agreement import Silent
from benchmarks.training.way import Way
from benchmarks.training.workloads import WORKLOADS, Workload
from contract.experiment.datasets import Dataset, Facts, facts_of
from contract.experiment.spec import Experiment
from worker.training.data.load import Arrays, load
from worker.training.runtime import configure

Array = np.ndarray[Any, Any]


def facts_for(work: Workload) -> Facts:
    """What is known of its dataset, in the catalogue or made."""
    made = work.dataset
    if isinstance(made, str):
        return facts_of(made)
    low, high = (0.0, made.words - 1.0) if made.words else (-10.0, 10.0)
    return Facts(
        "classification", made.shape, made.classes, made.examples, made.examples // 5,
        (low, high), 4, "made", "drawn for a benchmark",
    )  # fmt: skip


def arrays_of(work: Workload, data_dir: Path) -> Arrays:
    """The dataset itself. What is made depends on nothing but its description."""
    made = work.dataset
    if isinstance(made, str):
        return load(Dataset.model_validate({"name": made}), facts_of(made), data_dir)
    generator = np.random.default_rng(0)

    def drawn(examples: int) -> tuple[Array, Array]:
        size = (examples, *made.shape)
        x = generator.integers(1, made.words, size) if made.words else generator.normal(size=size)
        y = generator.integers(0, made.classes, examples)
        return x.astype(np.float32), y.astype(np.int32)

    return Arrays(*drawn(made.examples), *drawn(made.examples // 5))


def experiment_of(work: Workload, **more: Any) -> Experiment:
    """Without validation and signals, unless `more` says otherwise."""
    in_catalogue = isinstance(work.dataset, str)
    return Experiment.model_validate(
        {
            "name": "benchmark",
            "dataset": {
                "name": work.dataset if in_catalogue else f"ds_{0:026}",
                "scaling": "unit" if in_catalogue else "none",
            },
            "model": {"layers": list(work.layers)},
            "training": {
                "optimizer": work.optimizer,
                "loss": "categorical_crossentropy",
                "batch_size": work.batch_size,
                "epochs": work.epochs,
                "validation": {"on": more.get("validation", "none")},
                "jit_compile": more.get("jit_compile", "auto"),
            },
            "signals": more.get("signals", "off"),
        }
    )


def plateau(workload: str, file: str, **more: Any) -> Callable[[], object]:
    """The loop of a job: epochs and checkpoints, and what `more` asks for."""
    configure(threads=1)
    from worker.training.data.prepare import prepare
    from worker.training.loop import Loop
    from worker.training.program.program import assemble

    work = WORKLOADS[workload]
    experiment, facts = experiment_of(work, **more), facts_for(work)
    with np.load(file) as stored:
        data = prepare(experiment, facts, Arrays(**stored))
    program = assemble(experiment, facts, data)
    scratch = Path(tempfile.mkdtemp(dir=Path(file).parent))

    def train(epochs: int = work.epochs) -> None:
        training = experiment.training.model_copy(update={"epochs": epochs})
        watch = program.watch(experiment, facts)
        loop = Loop(training, program, watch, Silent(), scratch, 1)
        loop.start(None)
        loop.train()

    train(epochs=1)
    return train


def fit(workload: str, file: str, *, whole_epochs: bool) -> Callable[[], object]:
    """Plain `model.fit`; with `whole_epochs`, an epoch is one execution."""
    _one_thread()
    import keras

    from worker.training.program.build import build, plain_optimizer

    work = WORKLOADS[workload]
    experiment = experiment_of(work)
    with np.load(file) as stored:
        x = scaled(work, stored["x_train"])
        y = keras.utils.to_categorical(stored["y_train"])
    steps = -(-len(x) // work.batch_size)
    model = build(experiment.model, x.shape[1:]).keras
    model.compile(
        plain_optimizer(experiment.training.optimizer),
        "categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps if whole_epochs else 1,
    )
    train = partial(model.fit, x, y, batch_size=work.batch_size, verbose=0)
    train(epochs=1)
    return partial(train, epochs=work.epochs)


def scaled(work: Workload, x: Array) -> Array:
    """Pictures of the catalogue to [0, 1]; what is made stays as it is."""
    return x.astype(np.float32) / (255 if isinstance(work.dataset, str) else 1)


def by_hand(workload: str, file: str) -> Callable[[], object]:
    """An MLP with one hidden ReLU layer and SGD, in NumPy."""
    work = WORKLOADS[workload]
    with np.load(file) as stored:
        x = (stored["x_train"].astype(np.float32) / 255).reshape(len(stored["x_train"]), -1)
        y = np.eye(10, dtype=np.float32)[stored["y_train"]]
    generator = np.random.default_rng(0)
    sizes = [(784, 100), (100, 10)]
    weights = [generator.normal(0, 0.05, size).astype(np.float32) for size in sizes]
    biases = [np.zeros(size[1], np.float32) for size in sizes]

    def step(rows: Array) -> None:
        hidden = np.maximum(x[rows] @ weights[0] + biases[0], 0)
        scores = hidden @ weights[1] + biases[1]
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        errors = (shares / shares.sum(axis=1, keepdims=True) - y[rows]) / np.float32(len(rows))
        back = (errors @ weights[1].T) * (hidden > 0)
        for layer, (inputs, slope) in enumerate([(x[rows], back), (hidden, errors)]):
            weights[layer] -= np.float32(0.01) * (inputs.T @ slope)
            biases[layer] -= np.float32(0.01) * slope.sum(axis=0)

    def train() -> None:
        for _ in range(work.epochs):
            order = generator.permutation(len(x))
            for begin in range(0, len(x), work.batch_size):
                step(order[begin : begin + work.batch_size])

    return train


def floor(workload: str, file: str) -> Callable[[], object]:
    """Only an MLP's matrix products, forward and backward, on operands that are in the cache."""
    del file
    _one_thread()
    import tensorflow as tf

    work, examples = WORKLOADS[workload], facts_for(WORKLOADS[workload]).train_examples
    widths = [784, *(layer["units"] for layer in work.layers if layer["type"] == "Dense")]
    # Variables, because a product of constants would be taken once for all steps.
    values = [tf.Variable(tf.random.normal([work.batch_size, width])) for width in widths]
    weights = [tf.Variable(tf.random.normal(pair)) for pair in pairwise(widths)]

    def products() -> Any:
        for layer, weight in enumerate(weights):
            yield tf.matmul(values[layer], weight)
            yield tf.matmul(values[layer], values[layer + 1], transpose_a=True)
            if layer > 0:
                yield tf.matmul(values[layer + 1], weight, transpose_b=True)

    @tf.function(autograph=False)
    def multiply(steps: Any) -> Any:
        def step(number: Any, kept: Any) -> tuple[Any, Any]:
            return number + 1, kept + tf.add_n([product[0, 0] for product in products()])

        return tf.while_loop(lambda number, _: number < steps, step, (0, 0.0))[1]

    steps = tf.constant(work.epochs * -(-examples // work.batch_size))
    multiply(tf.constant(1))
    return lambda: multiply(steps).numpy()


def _one_thread() -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


WAYS: dict[str, Way] = {
    "plateau": plateau,
    "plateau, jit_compile": partial(plateau, jit_compile=True),
    "plateau, validation and signals": partial(plateau, validation="test", signals="on"),
    "model.fit": partial(fit, whole_epochs=False),
    "model.fit, steps_per_execution": partial(fit, whole_epochs=True),
    "NumPy by hand": by_hand,
    "matrix products alone": floor,
}
