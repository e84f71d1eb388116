"""Real runs: against `model.fit`, against themselves when interrupted, and against mishaps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.utils.class_weight import compute_class_weight

from benchmarks.agreement import SPECS, compare, experiment, plain_models
from contract.errors import CheckpointUnusable, RunFailed
from contract.experiment import constraints, initializers, layers, losses, measured, optimizers
from contract.experiment.base import Part
from contract.experiment.datasets import Facts, Task, facts_of
from contract.experiment.spec import DTypePolicy, Experiment
from contract.jobs.reports import FinishedEpoch, Signal
from contract.sizing.label_layout import label_layout
from worker.training.checkpoint import Checkpoint
from worker.training.data.load import Arrays, load
from worker.training.data.prepare import Prepared, lay_out, prepare
from worker.training.data.shuffling import order_of
from worker.training.hooks import Finished, Stopped
from worker.training.program import build as program_build
from worker.training.program import metrics as tallies
from worker.training.program.cache import Programs
from worker.training.run import train

# Keras 3.15 hands NumPy a variable in a way that NumPy 2 is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Layers = list[dict[str, Any]]
NO_FILES = Path("none")
FLAT: Layers = [{"type": "Flatten"}]
DENSE: Layers = [{"type": "Dense", "units": 16, "activation": "relu"}]
SOFTMAX: Layers = [{"type": "Dense", "units": 10, "activation": "softmax"}]
L2 = {"type": "L2", "l2": 0.01}
# 150 examples in batches of 32: the last one of each epoch has 22.
DIGITS = {"name": "digits", "scaling": "unit", "limit": 150}


def spec(
    layers: Layers,
    dataset: dict[str, Any] = DIGITS,
    dtype_policy: str = "float32",
    **training: Any,
) -> Experiment:
    settings = {
        "optimizer": {"type": "SGD", "learning_rate": 0.1},
        "loss": "categorical_crossentropy",
        "epochs": 3,
        "seed": 7,
        **training,
    }
    model = {"layers": layers, "dtype_policy": dtype_policy}
    return Experiment.model_validate(
        {"name": "t", "dataset": dataset, "model": model, "training": settings}
    )


@dataclass
class Recorder:
    """Hooks that keep what they are told, and ask for a stop at the polls numbered `stop_at`."""

    stop_at: int | None = None
    polls: int = 0
    reports: list[tuple[list[FinishedEpoch], Path]] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    started_at: list[int] = field(default_factory=list)
    trained: list[float] = field(default_factory=list)
    fractions: list[float] = field(default_factory=list)

    def stop_requested(self) -> bool:
        self.polls += 1
        return self.polls == self.stop_at

    def started(self, epoch: int, seconds: float, train_seconds: float) -> None:
        assert seconds >= 0
        self.trained.append(train_seconds)
        self.started_at.append(epoch)

    def progress(self, epoch: int, fraction: float) -> None:
        assert epoch >= 1
        self.fractions.append(fraction)

    def epochs(self, rows: list[FinishedEpoch], signals: list[Signal], checkpoint: Path) -> None:
        self.reports.append((rows, checkpoint))
        self.signals += signals

    @property
    def rows(self) -> list[FinishedEpoch]:
        return [row for rows, _ in self.reports for row in rows]


def run(
    experiment: Experiment,
    scratch: Path,
    hooks: Recorder,
    resume: Path | None = None,
    checkpoint_seconds: float = 0,
    programs: Programs | None = None,
) -> Finished | Stopped:
    return train(
        experiment,
        facts_of(experiment.dataset.name),
        upload=None,
        data_dir=NO_FILES,
        scratch=scratch,
        resume=resume,
        checkpoint_seconds=checkpoint_seconds,
        hooks=hooks,
        programs=programs or Programs(NO_FILES),
    )


def finish(experiment: Experiment, scratch: Path) -> tuple[Finished, list[FinishedEpoch]]:
    hooks = Recorder()
    end = run(experiment, scratch, hooks)
    assert isinstance(end, Finished)
    return end, hooks.rows


def arrays(experiment: Experiment) -> Arrays:
    return load(experiment.dataset, facts_of(experiment.dataset.name), NO_FILES)


def prepared(experiment: Experiment) -> Prepared:
    return prepare(experiment, facts_of(experiment.dataset.name), arrays(experiment))


def bits(rows: list[FinishedEpoch]) -> list[dict[str, str]]:
    """Rows without their duration, every number exact."""
    return [
        {name: value.hex() for name, value in {**row.metrics, "lr": row.learning_rate}.items()}
        for row in rows
    ]


def without_places(end: Finished) -> Finished:
    """What must be equal of runs that are."""
    return replace(end, timing={}, model=Path(), scaling=Path())


# Against plain Keras.


def test_initial_weights_are_those_of_a_plain_script() -> None:
    for name, plain in plain_models().items():
        keras.utils.set_random_seed(3)
        expected = plain().get_weights()
        keras.utils.set_random_seed(3)
        ours = program_build.build(
            experiment(name, DIGITS, 1, 3).model, (28, 28)
        ).keras.get_weights()
        assert all(map(np.array_equal, ours, expected)), name
        assert len(ours) == len(expected)


def keras_metrics(experiment: Experiment, facts: Facts) -> list[Any]:
    """Keras' own for the task, under our names."""
    if facts.task == "classification":
        return ["accuracy"]
    if facts.task == "multi_label":
        logits = getattr(experiment.training.loss, "from_logits", False)
        return [keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0 if logits else 0.5)]
    mae = keras.metrics.MeanAbsoluteError(name="mae")
    # Keras' R2 takes rows of targets alone.
    return [mae] if facts.label_shape else [mae, keras.metrics.R2Score(name="r2")]


def keras_callbacks(experiment: Experiment, model: Any) -> list[Any]:
    """Keras' own, of the names and arguments of the spec, before their first epoch."""
    plateau = experiment.training.reduce_lr_on_plateau
    callbacks = []
    if plateau is not None:
        callbacks.append(keras.callbacks.ReduceLROnPlateau(**plateau.model_dump()))
    for callback in callbacks:
        callback.set_model(model)
        callback.on_train_begin()
    return callbacks


def keras_class_weight(experiment: Experiment, data: Prepared) -> dict[int, float] | None:
    """As Keras takes it; what is balanced is scikit-learn's."""
    told, y = experiment.training.class_weight, data.train.y
    if told is None:
        return None
    if isinstance(told, str):
        classes = np.unique(y)
        weights = compute_class_weight(told, classes=classes, y=y)
        return dict(zip(classes.tolist(), weights.tolist(), strict=True))
    return {int(number): weight for number, weight in told.items()}


def keras_history(
    experiment: Experiment, facts: Facts, data: Prepared, asked: Sequence[Any] = ()
) -> list[dict[str, Any]]:
    """`model.fit`, one epoch at a time, over examples put into our order beforehand.

    `asked` are more metrics, as `model.compile` takes them.
    """
    training = experiment.training
    keras.utils.set_random_seed(training.seed)
    model = program_build.build(experiment.model, facts.shape, whole=data.whole).keras
    optimizer = program_build.plain_optimizer(training.optimizer)
    if experiment.model.dtype_policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(
        optimizer,
        program_build.construct_loss(training.loss),
        metrics=[*keras_metrics(experiment, facts), *asked],
    )
    layout = label_layout(experiment, facts, model.output_shape[1:])
    class_weight, weights = keras_class_weight(experiment, data), data.train.weights

    def xy(part: Any, order: Any = slice(None)) -> tuple[Any, Any]:
        x = part.x[order]
        y = lay_out(part.y[order], layout, facts.classes)
        return x if data.whole else data.inputs(x), y

    history, callbacks = [], keras_callbacks(experiment, model)
    for epoch in range(1, training.epochs + 1):
        order = order_of(len(data.train.x), training.seed, epoch, training.shuffle).numpy()
        x, y = xy(data.train, order)
        told = model.fit(
            x,
            y,
            batch_size=training.batch_size,
            shuffle=False,
            class_weight=class_weight,
            sample_weight=None if class_weight or weights is None else weights[order],
            validation_data=xy(data.test),
            verbose=0,
        )
        history.append({name: values[0] for name, values in told.history.items()})
        for callback in callbacks:
            callback.on_epoch_end(epoch - 1, history[-1])
    return history


CNN: Layers = [
    {"type": "Reshape", "target_shape": [28, 28, 1]},
    {"type": "Conv2D", "filters": 4, "kernel_size": 3, "activation": "relu"},
    {"type": "BatchNormalization"},
    {"type": "MaxPooling2D"},
    *FLAT,
    *SOFTMAX,
]
AUGMENTATIONS: Layers = [
    {"type": "RandomFlip"},
    {"type": "RandomRotation", "factor": 0.1},
    {"type": "RandomZoom", "height_factor": 0.2},
    {"type": "RandomTranslation", "height_factor": 0.1, "width_factor": [-0.2, 0.1]},
    {"type": "RandomShear", "x_factor": 0.2, "fill_mode": "constant"},
    {"type": "RandomContrast", "factor": 0.2, "value_range": [0, 1]},
    {"type": "RandomBrightness", "factor": 0.2, "value_range": [0, 1], "seed": 3},
    {"type": "RandomErasing", "value_range": [0, 1]},
]
COLUMN = [*DENSE, {"type": "Dense", "units": 1}]
PLATEAU = {"patience": 1, "min_delta": 0.05, "factor": 0.3, "cooldown": 1, "min_lr": 0.002}
FOLLOWED = {
    "SGD in stored order, L2": spec(
        [
            *FLAT,
            {**DENSE[0], "kernel_regularizer": L2, "bias_regularizer": L2},
            *SOFTMAX,
        ],
        shuffle=False,
    ),
    "penalty of outputs, constraints": spec(
        [
            *FLAT,
            {
                **DENSE[0],
                "activity_regularizer": L2,
                "kernel_constraint": {"type": "MaxNorm", "max_value": 0.5},
                "bias_constraint": {"type": "NonNeg"},
            },
            *SOFTMAX,
        ]
    ),
    "Adam, dropout, noise": spec(
        [
            *FLAT,
            {"type": "GaussianNoise", "stddev": 0.1},
            *DENSE,
            {"type": "Dropout", "rate": 0.3},
            *SOFTMAX,
        ],
        optimizer={"type": "Adam"},
        loss="sparse_categorical_crossentropy",
    ),
    "CNN, batch normalization, schedule": spec(
        CNN,
        optimizer={
            "type": "SGD",
            "momentum": 0.9,
            "learning_rate": {
                "type": "CosineDecay",
                "initial_learning_rate": 0.1,
                "decay_steps": 9,
            },
        },
    ),
    "augmentation": spec([CNN[0], *AUGMENTATIONS, *CNN[1:]]),
    "CNN, bfloat16": spec(CNN, dtype_policy="mixed_bfloat16", optimizer={"type": "Adam"}),
    "CNN, float16": spec(CNN, dtype_policy="mixed_float16", optimizer={"type": "Adam"}),
    "CNN, XLA": spec([*CNN[:2], {"type": "AveragePooling2D"}, *CNN[4:]], jit_compile=True),
    "float16, XLA": spec(
        [*FLAT, *DENSE, {"type": "Dropout", "rate": 0.3}, *SOFTMAX],
        dtype_policy="mixed_float16",
        jit_compile=True,
    ),
    "regression, standard": spec(
        COLUMN,
        {"name": "diabetes", "scaling": "standard"},
        optimizer={"type": "RMSprop", "learning_rate": 0.01, "clipnorm": 1.0},
        loss="huber",
    ),
    "a learning rate that falls": spec(
        [*FLAT, *DENSE, *SOFTMAX],
        optimizer={"type": "Adam", "learning_rate": 0.05},
        epochs=12,
        reduce_lr_on_plateau=PLATEAU,
    ),
    "a learning rate that falls, float16": spec(
        [*FLAT, *DENSE, *SOFTMAX],
        dtype_policy="mixed_float16",
        optimizer={"type": "SGD", "learning_rate": 0.5, "momentum": 0.9},
        epochs=8,
        reduce_lr_on_plateau={**PLATEAU, "monitor": "val_accuracy"},
    ),
    "accumulated gradients, weight decay, restarts, focal": spec(
        [*FLAT, {**DENSE[0], "kernel_constraint": "max_norm"}, *SOFTMAX],
        optimizer={
            "type": "Adam",
            "gradient_accumulation_steps": 2,
            "weight_decay": 0.01,
            "loss_scale_factor": 8.0,
            "learning_rate": {
                "type": "CosineDecayRestarts",
                "initial_learning_rate": 0.01,
                "first_decay_steps": 3,
            },
        },
        loss={"type": "CategoricalFocalCrossentropy", "gamma": 1.5, "label_smoothing": 0.1},
    ),
    "Lion, Tversky": spec(
        [*FLAT, *DENSE, *SOFTMAX],
        optimizer="lion",
        loss={"type": "Tversky", "alpha": 0.3, "beta": 0.7, "axis": -1},
    ),
    "Muon, class numbers, logits": spec(
        [*FLAT, *DENSE, {"type": "Dense", "units": 10}],
        optimizer="muon",
        loss={"type": "SparseCategoricalCrossentropy", "from_logits": True, "ignore_class": 3},
    ),
    "two classes in one unit": spec(
        [*DENSE, {"type": "Dense", "units": 1, "activation": "sigmoid"}],
        {"name": "moons", "samples": 203},
        optimizer={"type": "AdamW"},
        loss="binary_crossentropy",
    ),
    "two classes in one unit, weighted": spec(
        [*DENSE, {"type": "Dense", "units": 1, "activation": "sigmoid"}],
        {"name": "moons", "samples": 203},
        loss="binary_crossentropy",
        class_weight={"1": 5, "0": 0.5},
    ),
    "balanced classes, XLA": spec(
        [*FLAT, {**DENSE[0], "kernel_regularizer": L2}, *SOFTMAX],
        jit_compile=True,
        class_weight="balanced",
    ),
    "weighted classes, float16": spec(
        [*FLAT, *DENSE, *SOFTMAX],
        dtype_policy="mixed_float16",
        loss="sparse_categorical_crossentropy",
        class_weight={"3": 20, "7": 0},
    ),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_every_epoch_is_that_of_model_fit(name: str, tmp_path: Path) -> None:
    """The same batches from the same weights and seeds: only rounding may differ."""
    experiment = FOLLOWED[name]
    _, rows = finish(experiment, tmp_path)
    facts = facts_of(experiment.dataset.name)
    expected = keras_history(experiment, facts, prepared(experiment))
    for row, told in zip(rows, expected, strict=True):
        known = {**row.metrics, "learning_rate": row.learning_rate}
        ours = {name: known[name] for name in told}
        assert ours == pytest.approx(told, rel=2e-4, abs=1e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_all_layers_but_the_last_compute_in_16_bits(policy: str) -> None:
    """And are, layer by layer, what Keras makes of the same policy set globally."""
    model = program_build.build(spec(CNN, dtype_policy=policy).model, (28, 28)).keras
    keras.config.set_dtype_policy(policy)
    try:
        plain = [
            type(layer).from_config({**layer.get_config(), "dtype": None}) for layer in model.layers
        ]
    finally:
        keras.config.set_dtype_policy("float32")
    policies = [layer.dtype_policy.name for layer in model.layers]
    assert policies == [layer.dtype_policy.name for layer in plain[:-1]] + ["float32"]
    assert {variable.dtype for variable in model.weights} == {"float32"}
    assert model.layers[0].compute_dtype == policy.removeprefix("mixed_")


def test_a_step_whose_gradients_float16_cannot_hold_changes_no_weight(tmp_path: Path) -> None:
    """Here they overflow on their way forward, so no loss scale helps: every step is skipped."""
    huge = [*FLAT, {"type": "Rescaling", "scale": 1e6}, *DENSE, *SOFTMAX]
    end, rows = finish(spec(huge, dtype_policy="mixed_float16"), tmp_path)
    assert end.reason == "non_finite"
    trained = keras.models.load_model(end.model)
    keras.utils.set_random_seed(7)
    drawn = program_build.build(spec(huge).model, (28, 28)).keras
    assert all(map(np.array_equal, trained.get_weights(), drawn.get_weights()))
    assert len(rows) == 1


def test_small_gradients_are_scaled_into_what_float16_holds(tmp_path: Path) -> None:
    """One step of Adam moves each weight that has a gradient, however small, by the rate."""
    head = {"type": "Dense", "units": 10, "kernel_initializer": {"type": "Constant", "value": 1e-8}}
    experiment = spec(
        [*FLAT, {**DENSE[0], "activation": "tanh"}, head],
        dtype_policy="mixed_float16",
        optimizer={"type": "Adam", "learning_rate": 0.01, "epsilon": 1e-20},
        loss="mse",
        batch_size=150,
        epochs=1,
    )
    end, _ = finish(experiment, tmp_path)
    keras.utils.set_random_seed(7)
    before = program_build.build(experiment.model, (28, 28)).keras.layers[1].kernel.numpy()
    after = keras.models.load_model(end.model).layers[1].kernel.numpy()
    # Half of the pixels are blank in all pictures.
    assert (np.abs(after - before) > 0.009).mean() > 0.3


# The others are compared by `python -m benchmarks.agreement`, with five seeds.
@pytest.mark.parametrize("name", list(SPECS)[:3])
def test_final_accuracy_agrees_with_model_fit(name: str) -> None:
    dataset = {"name": "digits", "limit": 600}
    result = compare(name, dataset, 4, (0, 1, 2), NO_FILES)
    assert result.holds, result


def test_early_stopping_is_that_of_keras(tmp_path: Path) -> None:
    stopping = {"monitor": "val_loss", "patience": 2, "start_from_epoch": 1, "min_delta": 0.001}
    experiment = spec(
        [*FLAT, *DENSE, *SOFTMAX],
        optimizer={"type": "Adam", "learning_rate": 0.05},
        epochs=40,
        shuffle=False,
        early_stopping={**stopping, "restore_best_weights": True},
    )
    end, rows = finish(experiment, tmp_path)
    data = prepared(experiment)
    keras.utils.set_random_seed(7)
    model = program_build.build(experiment.model, (28, 28)).keras
    model.compile(
        program_build.plain_optimizer(experiment.training.optimizer), "categorical_crossentropy"
    )
    x, y = data.inputs(data.train.x), lay_out(data.train.y, "one_hot", 10)
    tested = data.inputs(data.test.x), lay_out(data.test.y, "one_hot", 10)
    callback = keras.callbacks.EarlyStopping(**stopping, restore_best_weights=True)
    told = model.fit(
        x,
        y,
        epochs=40,
        shuffle=False,
        validation_data=tested,
        callbacks=[callback],
        verbose=0,
    )
    assert end.reason == "early_stopping"
    assert len(rows) == len(told.history["loss"]) < 40
    restored = model.evaluate(*tested, verbose=0)
    assert end.metrics["test_loss"] == pytest.approx(restored, rel=1e-3)
    assert end.metrics["test_loss"] < rows[-1].metrics["val_loss"]
    assert end.model_epoch == callback.best_epoch + 1


BEST = spec(
    [*FLAT, *DENSE, *SOFTMAX],
    optimizer={"type": "Adam", "learning_rate": 0.05},
    epochs=8,
    shuffle=False,
    # That it would restore other weights, and end the run, changes nothing in the model.
    early_stopping={"monitor": "loss", "patience": 2, "restore_best_weights": True},
    model_checkpoint={"monitor": "val_accuracy"},
)


def test_the_model_is_that_of_the_best_epoch_as_keras_saves_it(tmp_path: Path) -> None:
    end, rows = finish(BEST, tmp_path)
    data = prepared(BEST)
    keras.utils.set_random_seed(7)
    model = program_build.build(BEST.model, (28, 28)).keras
    optimizer = program_build.plain_optimizer(BEST.training.optimizer)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    tested = data.inputs(data.test.x), lay_out(data.test.y, "one_hot", 10)
    saved = tmp_path / "best.keras"
    told = model.fit(
        data.inputs(data.train.x),
        lay_out(data.train.y, "one_hot", 10),
        epochs=len(rows),
        shuffle=False,
        validation_data=tested,
        callbacks=[
            keras.callbacks.ModelCheckpoint(saved, monitor="val_accuracy", save_best_only=True)
        ],
        verbose=0,
    )
    accuracies = told.history["val_accuracy"]
    assert end.model_epoch == 1 + accuracies.index(max(accuracies)) < len(rows)
    best = keras.saving.load_model(saved)
    ours = keras.saving.load_model(end.model)
    for one, other in zip(ours.get_weights(), best.get_weights(), strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-4)
    assert end.metrics["test_accuracy"] == rows[end.model_epoch - 1].metrics["val_accuracy"]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"ema_momentum": 0.9, "ema_overwrite_frequency": 3},
        {"ema_momentum": 0.5, "gradient_accumulation_steps": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_the_final_weights_are_the_averages_as_after_model_fit(
    kind: str, more: dict[str, Any], tmp_path: Path
) -> None:
    optimizer = {"type": kind, "use_ema": True, **more}
    experiment = spec([*FLAT, *DENSE, *SOFTMAX], optimizer=optimizer, shuffle=False)
    end, _ = finish(experiment, tmp_path)
    data = prepared(experiment)
    keras.utils.set_random_seed(7)
    model = program_build.build(experiment.model, (28, 28)).keras
    model.compile(
        program_build.plain_optimizer(experiment.training.optimizer), "categorical_crossentropy"
    )
    x, y = data.inputs(data.train.x), lay_out(data.train.y, "one_hot", 10)
    model.fit(x, y, epochs=3, shuffle=False, verbose=0)
    ours = keras.models.load_model(end.model).get_weights()
    for weight, expected in zip(ours, model.get_weights(), strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-6)


# Interrupted.

RESUMED = spec(
    [
        {"type": "Reshape", "target_shape": [28, 28, 1]},
        {"type": "Conv2D", "filters": 4, "kernel_size": 3, "activation": "relu"},
        {"type": "BatchNormalization"},
        {"type": "Dropout", "rate": 0.3},
        *FLAT,
        *SOFTMAX,
    ],
    optimizer={"type": "Adam", "learning_rate": 0.02},
    epochs=12,
    early_stopping={"monitor": "val_loss", "patience": 2, "restore_best_weights": True},
    reduce_lr_on_plateau={"monitor": "loss", "patience": 1, "min_delta": 0.3, "cooldown": 1},
    class_weight="balanced",
)


Unbroken = tuple[Finished, Recorder]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    hooks = Recorder()
    end = run(RESUMED, tmp_path_factory.mktemp("unbroken"), hooks)
    assert isinstance(end, Finished)
    assert end.reason == "early_stopping"
    assert len({row.learning_rate for row in hooks.rows}) > 1
    return end, hooks


def equal_parts(signals: list[Signal]) -> list[tuple[Any, ...]]:
    """Each once, every number exact; first losses one by one, however they were cut."""
    parts: list[tuple[Any, ...]] = []
    for signal in signals:
        if signal.kind == "losses":
            losses = enumerate(signal.document["losses"], signal.step)
            parts += (("loss", step, loss.hex()) for step, loss in losses)
        else:
            parts.append((signal.kind, signal.step, repr(signal.document)))
    return sorted(parts)


def test_stops_leave_no_trace(unbroken: Unbroken, tmp_path: Path) -> None:
    rows: list[FinishedEpoch] = []
    signals: list[Signal] = []
    resume: Path | None = None
    stopped_at = set()
    trained: list[float] = []
    # After one step and after another, before a validation, and between epochs.
    for attempt, stop_at in enumerate([2, 2, 4, 2, None]):
        (scratch := tmp_path / str(attempt)).mkdir()
        hooks = Recorder(stop_at)
        end = run(RESUMED, scratch, hooks, resume)
        rows += hooks.rows
        signals += hooks.signals
        trained += hooks.trained
        if isinstance(end, Stopped):
            resume = end.checkpoint or hooks.reports[-1][1]
            stopped_at.add(Checkpoint.read(resume).position.step)
    assert isinstance(end, Finished)
    assert stopped_at == {0, 1, 2, 5}
    assert trained[0] == 0
    assert all(before < after for before, after in pairwise(trained)), "what was used up is kept"
    assert bits(rows) == bits(unbroken[1].rows)
    assert equal_parts(signals) == equal_parts(unbroken[1].signals)
    assert without_places(end) == without_places(unbroken[0])


def test_a_killed_run_repeats_only_what_was_not_reported(
    unbroken: Unbroken, tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    class Dying(Recorder):
        def epochs(
            self, rows: list[FinishedEpoch], signals: list[Signal], checkpoint: Path
        ) -> None:
            super().epochs(rows, signals, checkpoint)
            if len(self.reports) == 2:
                raise Killed

    first, second = Dying(), Recorder()
    with pytest.raises(Killed):
        run(RESUMED, tmp_path, first)
    run(RESUMED, tmp_path, second, resume=first.reports[-1][1])
    assert second.started_at == [2]
    assert bits(first.rows + second.rows) == bits(unbroken[1].rows)
    assert equal_parts(first.signals + second.signals) == equal_parts(unbroken[1].signals)


ADDED_UP = {"gradient_accumulation_steps": 2, "use_ema": True, "clipnorm": 1.0}


@pytest.mark.parametrize("more", [{}, ADDED_UP], ids=["plain", "averaged"])
@pytest.mark.parametrize("kind", optimizers.OPTIMIZERS)
def test_every_optimizer_goes_on_where_it_stopped(
    kind: str, more: dict[str, Any], tmp_path: Path
) -> None:
    """After an odd number of steps, so that gradients are waiting to be applied."""
    named = {"type": optimizers.OPTIMIZERS[kind].__name__, **more}
    blobs = {"name": "blobs", "samples": 100, "scaling": "standard"}
    head = {"type": "Dense", "units": 3, "activation": "softmax"}
    experiment = spec([*DENSE, head], blobs, optimizer=named, epochs=2)
    goes_on_where_it_stopped(experiment, tmp_path)


@pytest.mark.parametrize("layer", AUGMENTATIONS, ids=lambda layer: layer["type"])
def test_every_augmentation_goes_on_where_it_stopped(layer: dict[str, Any], tmp_path: Path) -> None:
    layers = [CNN[0], layer, *FLAT, *SOFTMAX]
    goes_on_where_it_stopped(spec(layers, {**DIGITS, "limit": 90}, epochs=2), tmp_path)


def goes_on_where_it_stopped(experiment: Experiment, folder: Path) -> None:
    whole, stopped, resumed = Recorder(), Recorder(2), Recorder()
    for name in ("whole", "stopped", "resumed"):
        (folder / name).mkdir()
    expected = run(experiment, folder / "whole", whole)
    halfway = run(experiment, folder / "stopped", stopped)
    assert isinstance(halfway, Stopped)
    assert halfway.checkpoint is not None
    assert Checkpoint.read(halfway.checkpoint).position.step % 2 == 1
    end = run(experiment, folder / "resumed", resumed, halfway.checkpoint)
    assert isinstance(expected, Finished)
    assert isinstance(end, Finished)
    assert bits(stopped.rows + resumed.rows) == bits(whole.rows)
    assert without_places(end) == without_places(expected)
    assert all(np.isfinite(row.metrics["loss"]) for row in whole.rows)


def test_the_best_epoch_is_kept_over_a_stop(tmp_path: Path) -> None:
    class Leaving(Recorder):
        def stop_requested(self) -> bool:
            return len(self.reports) > expected.model_epoch

    expected, _ = finish(BEST, tmp_path)
    hooks = Leaving()
    assert run(BEST, tmp_path, hooks) == Stopped(None)
    resume = hooks.reports[-1][1]
    assert Checkpoint.read(resume).position.epoch == expected.model_epoch + 1
    end = run(BEST, tmp_path, Recorder(), resume)
    assert isinstance(end, Finished)
    assert without_places(end) == without_places(expected)


def test_short_epochs_share_a_report(tmp_path: Path) -> None:
    hooks = Recorder()
    run(RESUMED, tmp_path, hooks, checkpoint_seconds=600)
    assert len(hooks.reports) == 1
    assert [row.epoch for row in hooks.rows] == list(range(1, len(hooks.rows) + 1))


def test_unreported_epochs_are_reported_at_a_stop(tmp_path: Path) -> None:
    hooks = Recorder(stop_at=9)
    end = run(spec([*FLAT, *SOFTMAX]), tmp_path, hooks, checkpoint_seconds=600)
    assert end == Stopped(None)
    assert len(hooks.reports) == 1
    assert hooks.rows


def test_a_stop_before_the_first_step_leaves_nothing(tmp_path: Path) -> None:
    assert run(RESUMED, tmp_path, Recorder(stop_at=1)) == Stopped(None)
    assert list(tmp_path.iterdir()) == []


def test_progress_only_grows(tmp_path: Path) -> None:
    experiment = spec(
        [
            {"type": "Reshape", "target_shape": [28, 28, 1]},
            {"type": "Conv2D", "filters": 32, "kernel_size": 5},
            *FLAT,
            *SOFTMAX,
        ],
        {"name": "digits", "scaling": "unit"},
        epochs=2,
    )
    hooks = Recorder()
    run(experiment, tmp_path, hooks)
    assert hooks.fractions == sorted(hooks.fractions)
    assert all(0 <= fraction <= 1 for fraction in hooks.fractions)


# The outcome.


def test_metrics_are_those_of_the_saved_model(tmp_path: Path) -> None:
    experiment = FOLLOWED["regression, standard"]
    scaled = experiment.dataset.model_copy(update={"target_scaling": "standard"})
    experiment = experiment.model_copy(update={"dataset": scaled})
    end, _ = finish(experiment, tmp_path)
    data = prepared(experiment)
    model = keras.saving.load_model(end.model)
    outputs = model.predict(data.inputs(data.test.x), verbose=0)[:, 0]
    raw = arrays(experiment).y_test
    predicted = outputs * data.targets.scale + data.targets.offset
    assert end.metrics["test_mae"] == pytest.approx(mean_absolute_error(raw, predicted), rel=1e-4)
    assert end.metrics["test_r2"] == pytest.approx(r2_score(raw, predicted), rel=1e-4)
    assert end.confusion_matrix is None


def test_a_clipped_model_saves_counts_and_loads(tmp_path: Path) -> None:
    clip = {"type": "Clip", "x_min": 1e-10, "x_max": 0.999999}
    experiment = spec([*FLAT, *DENSE, *SOFTMAX, clip])
    end, rows = finish(experiment, tmp_path)
    data = arrays(experiment)
    model = keras.saving.load_model(end.model)
    predicted = model.predict(data.x_test / np.float32(255), verbose=0).argmax(axis=1)
    expected = np.zeros((10, 10), int)
    np.add.at(expected, (data.y_test, predicted), 1)
    assert end.confusion_matrix == expected.tolist()
    assert end.metrics["test_accuracy"] == np.trace(expected) / 360
    assert end.metrics["test_accuracy"] == rows[-1].metrics["val_accuracy"]
    assert {"load_seconds", "compile_seconds", "train_seconds", "examples_per_second"} == set(
        end.timing
    )
    assert end.environment["device"] == "CPU"


def test_outputs_beyond_the_classes_share_a_column(tmp_path: Path) -> None:
    wide = [*FLAT, {"type": "Dense", "units": 900, "activation": "softmax"}]
    dead = {"type": "SGD", "learning_rate": 1e-9}
    loss = "sparse_categorical_crossentropy"
    end, _ = finish(spec(wide, optimizer=dead, loss=loss, epochs=1), tmp_path)
    assert end.confusion_matrix is not None
    assert [len(row) for row in end.confusion_matrix] == [11] * 10
    assert sum(row[10] for row in end.confusion_matrix) > 300
    assert sum(map(sum, end.confusion_matrix)) == 360


def test_a_run_that_breaks_down_ends_with_its_row(tmp_path: Path) -> None:
    blown = {"type": "SGD", "learning_rate": 1e20}
    linear = [*FLAT, {"type": "Dense", "units": 10}]
    for go_on, epochs in ((False, 1), (True, 3)):
        experiment = spec(
            linear, optimizer=blown, loss="mean_squared_error", terminate_on_nan=not go_on
        )
        end, rows = finish(experiment, tmp_path)
        assert len(rows) == epochs
        assert not np.isfinite(rows[-1].metrics["loss"])
        assert end.reason == ("completed" if go_on else "non_finite")


# Every name of the spec.


def parts(*modules: Any) -> set[type[Part]]:
    """Every class that a spec can name by its `type`."""
    found = [value for module in modules for value in vars(module).values()]
    classes = [value for value in found if isinstance(value, type) and issubclass(value, Part)]
    named = [value for value in classes if not value.__name__.startswith("_")]
    return {value for value in named if "type" in value.model_fields}


def test_every_type_has_its_constructor() -> None:
    """Of Keras' own, by the same name, but for the exceptions that are listed."""
    kinds = parts(initializers, constraints, optimizers, losses) | set(layers.KINDS)
    assert all(callable(program_build.constructor(kind)) for kind in kinds)
    assert set(program_build.EXCEPTIONS) < kinds


@pytest.mark.parametrize(
    ("task", "tally"),
    [
        ("classification", tallies.ClassificationTally(0.5, "sparse", 3, 3)),
        ("multi_label", tallies.MultiLabelTally(0.5)),
        ("regression", tallies.RegressionTally(2, np.ones(2))),
    ],
)
def test_every_metric_of_a_task_is_measured(task: Task, tally: tallies.Tally) -> None:
    sums = np.ones(tally.width)
    sums[1] = 10  # examples
    summary = tally.summary(sums, np.array(True))
    assert list(summary) == [metric.name for metric in measured.measured(task)]


@pytest.mark.parametrize("kind", losses.LOSSES)
def test_every_loss_weighs_classes(kind: str, tmp_path: Path) -> None:
    told = {"type": losses.LOSSES[kind].__name__}
    of_batch = losses.LOSSES[kind].model_validate(told).is_of_batch
    loss = {**told, "axis": 1} if of_batch else told
    balanced = spec([*FLAT, *SOFTMAX], loss=loss, epochs=1, class_weight="balanced")
    _, rows = finish(balanced, tmp_path)
    assert np.isfinite(rows[0].metrics["loss"])


@pytest.mark.parametrize("loss", get_args(losses.LossName))
def test_every_loss_trains(loss: str, tmp_path: Path) -> None:
    end, rows = finish(spec([*FLAT, *SOFTMAX], loss=loss, epochs=1), tmp_path)
    assert end.reason == "completed"
    assert np.isfinite(rows[0].metrics["loss"])


@pytest.mark.parametrize(
    "loss", [{"type": "Dice", "axis": 0}, {"type": "Tversky", "axis": -2}], ids=str
)
def test_a_loss_over_a_batch_is_looked_at(loss: dict[str, Any], tmp_path: Path) -> None:
    """It gives a number a class, where others give one an example."""
    hooks = Recorder()
    end = run(spec([*FLAT, *SOFTMAX], loss=loss, epochs=1), tmp_path, hooks)
    assert isinstance(end, Finished)
    assert all(np.isfinite(s.document["loss"]) for s in hooks.signals if s.kind == "moment")


EVERY_LAYER: Layers = [
    CNN[0],
    {"type": "Rescaling", "scale": 0.9},
    {"type": "ZeroPadding2D"},
    CNN[1],
    {"type": "BatchNormalization"},
    {"type": "DepthwiseConv2D", "kernel_size": 3},
    {"type": "LayerNormalization"},
    {"type": "AveragePooling2D"},
    {"type": "SeparableConv2D", "filters": 4, "kernel_size": 3},
    {"type": "Clip", "x_min": -1.0, "x_max": 1.0},
    {"type": "Activation", "activation": "elu"},
    {"type": "LeakyReLU", "negative_slope": 0.2},
    {"type": "GaussianNoise", "stddev": 0.1},
    {"type": "GlobalAveragePooling2D"},
    {"type": "Dropout", "rate": 0.1},
    *FLAT,
    *DENSE,
    *SOFTMAX,
]


@pytest.mark.parametrize("policy", get_args(DTypePolicy))
def test_every_layer_trains_in_every_precision_compiled_or_not(policy: str, tmp_path: Path) -> None:
    plain, compiled = (
        finish(spec(EVERY_LAYER, dtype_policy=policy, jit_compile=jit), tmp_path)[1][-1]
        for jit in (False, True)
    )
    assert plain.metrics["loss"] == pytest.approx(compiled.metrics["loss"], rel=0.02)


# Mishaps.


def test_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    experiment = RESUMED.model_copy(update={"device": "gpu"})
    with pytest.raises(RunFailed) as failure:
        run(experiment, tmp_path, Recorder())
    assert failure.value.code == "no_gpu"


def test_more_memory_than_there_is(tmp_path: Path) -> None:
    vast = [*FLAT, {"type": "Dense", "units": 10**10}, *SOFTMAX]
    with pytest.raises(RunFailed) as failure:
        run(spec(vast), tmp_path, Recorder())
    assert failure.value.code == "out_of_memory"


def test_what_xla_does_not_compile(tmp_path: Path) -> None:
    """The API refuses it; what else XLA may not know on some device is told in the same way."""
    with pytest.raises(RunFailed, match="deterministic") as failure:
        run(spec(CNN, jit_compile=True), tmp_path, Recorder())
    assert failure.value.code == "not_implemented"


def damage_nothing(path: Path) -> None:
    del path


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def flip(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)


@pytest.mark.parametrize(
    ("damage", "units", "fault"),
    [
        (truncate, 10, "is not whole"),
        (flip, 10, "is not whole"),
        (damage_nothing, 11, "has model of shapes"),
    ],
)
def test_a_checkpoint_that_cannot_be_resumed(
    damage: Callable[[Path], None], units: int, fault: str, tmp_path: Path
) -> None:
    hooks = Recorder()
    run(spec([*FLAT, *SOFTMAX], epochs=1), tmp_path, hooks)
    checkpoint = hooks.reports[0][1]
    damage(checkpoint)
    other = spec(
        [*FLAT, {**SOFTMAX[0], "units": units}],
        loss="sparse_categorical_crossentropy",
    )
    with pytest.raises(CheckpointUnusable, match=fault):
        run(other, tmp_path, Recorder(), resume=checkpoint)


def test_a_checkpoint_with_a_slot_that_the_optimizer_does_not_have(tmp_path: Path) -> None:
    """As a version wrote it that had another optimizer of this name."""
    adam, hooks = {"type": "Adam", "learning_rate": 0.001}, Recorder()
    run(spec([*FLAT, *SOFTMAX], optimizer={**adam, "amsgrad": True}), tmp_path, hooks)
    with pytest.raises(CheckpointUnusable, match="has optimizer of shapes"):
        run(
            spec([*FLAT, *SOFTMAX], optimizer=adam),
            tmp_path,
            Recorder(),
            resume=hooks.reports[0][1],
        )
