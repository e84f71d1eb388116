"""What is measured of real runs: against dense algebra, against plain NumPy, and against itself."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from contract.experiment.datasets import facts_of
from contract.experiment.graph import Entry, graph_of
from contract.experiment.layers.activation import Activation
from contract.experiment.layers.layer import Layer
from contract.experiment.spec import Experiment
from contract.jobs.reports import Signal
from contract.store.documents import read
from diagnosis.run.signals import Moment, Signals
from tests.acceptance.test_training import (
    DENSE,
    DIGITS,
    FLAT,
    RESUMED,
    SOFTMAX,
    Recorder,
    bits,
    run,
    spec,
)
from worker.training.built_model import BuiltModel
from worker.training.hooks import Finished
from worker.training.program.cache import Programs
from worker.training.run import train
from worker.training.signals.activations import LIMITS, Station
from worker.training.signals.curvature import gradient_noise, largest_eigenvalue
from worker.training.signals.probe import Probe
from worker.training.signals.snapshot import Lens

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Array = np.ndarray[Any, Any]


def gathered(signals: Sequence[Signal]) -> Signals:
    """As the database has them, without a database."""
    documents = {s.kind: s.document for s in signals}
    return read(
        Signals,
        {
            **documents["run"],
            "first_losses": [
                x for s in signals if s.kind == "losses" for x in s.document["losses"]
            ],
            "non_finite_step": next((s.step for s in signals if s.kind == "non_finite"), None),
            "moments": [s.document for s in signals if s.kind == "moment"],
        },
    )


def measured(experiment: Experiment, scratch: Path) -> Signals:
    hooks = Recorder()
    assert isinstance(run(experiment, scratch, hooks), Finished)
    return gathered(hooks.signals)


def probe_of(model: Any, stations: Sequence[Station], rows: int, classes: int) -> Probe:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(rows, *model.input_shape[1:])).astype(np.float32)
    y = np.eye(classes, dtype=np.float32)[generator.integers(classes, size=rows)]
    loss, optimizer = keras.losses.CategoricalCrossentropy(), keras.optimizers.SGD(0.01)
    optimizer.build(model.trainable_variables)
    return Probe(chained(model), loss, optimizer, stations, x, y)


def chained(model: Any) -> BuiltModel:
    """As a chain of nodes; no layer of the spec is asked about anything here."""
    anything: Layer = Activation(activation="linear")
    graph = graph_of([Entry(anything) for _ in model.layers])
    return BuiltModel(graph, model, dict(enumerate(model.layers)))


def mlp(activation: str) -> Any:
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(7, activation=activation, kernel_regularizer="l2"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


MLP = [Station(0, 0, "relu"), Station(1, 1, "softmax")]


# Curvature.


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_lambda_max_is_that_of_the_dense_hessian(activation: str) -> None:
    model = mlp(activation)
    probe = probe_of(model, MLP, 64, 3)
    hessian = dense_hessian(model, probe)
    expected = max(np.linalg.eigvalsh(hessian), key=abs)
    value, vector = largest_eigenvalue(probe, probe.x)
    assert value == pytest.approx(expected, rel=0.03)
    assert largest_eigenvalue(probe, probe.x, vector)[0] == pytest.approx(expected, rel=0.03)


def dense_hessian(model: Any, probe: Probe) -> Array:
    """Column by column, with weights cut from one vector: nothing of the probe's own graph."""
    weights = [variable.value for variable in model.trainable_variables]
    shapes, sizes = [w.shape for w in weights], [int(np.prod(w.shape)) for w in weights]
    flat = tf.Variable(tf.concat([tf.reshape(w, [-1]) for w in weights], 0))
    with tf.GradientTape() as second:
        with tf.GradientTape() as first:
            parts = [tf.reshape(p, s) for p, s in zip(tf.split(flat, sizes), shapes, strict=True)]
            hidden = model.layers[0].activation(probe.x @ parts[0] + parts[1])
            logits = hidden @ parts[2] + parts[3]
            rows = tf.nn.softmax_cross_entropy_with_logits(probe.y, logits)
            loss = tf.reduce_mean(rows) + 0.01 * tf.reduce_sum(parts[0] ** 2)
        gradient = first.gradient(loss, flat)
    return np.asarray(second.jacobian(gradient, flat), np.float64)


def test_gradient_noise_is_that_of_the_single_gradients() -> None:
    model = mlp("tanh")
    probe = probe_of(model, MLP, 256, 3)
    single = np.stack(
        [
            np.concatenate([g.ravel() for g in probe.gradients_of(slice(row, row + 1))])
            for row in range(256)
        ]
    ).astype(np.float64)
    mean = single.mean(axis=0)
    trace = np.square(single - mean).sum() / 255
    expected = trace / (np.square(mean).sum() - trace / 256)
    # Four parts of the probe estimate a trace only roughly.
    assert gradient_noise(probe) == pytest.approx(expected, rel=0.5)


# Layers.


def test_a_moment_is_what_plain_numpy_finds() -> None:
    model = mlp("relu")
    model.layers[0].bias.assign([-100.0, 0, 0, 0, 0, 0, 0])  # a unit that is dead
    probe = probe_of(model, MLP, 32, 3)
    before = [w.numpy() * 1.01 for w in model.trainable_variables]
    lens = Lens(chained(model), MLP, probe, 0.5)
    moment = lens.moment(step=3, epoch=0, at_epoch_end=False, before=before)

    x, y = probe.x.numpy().astype(np.float64), probe.y.numpy()
    w1, b1, w2, b2 = (w.numpy().astype(np.float64) for w in model.trainable_variables)
    pre = x @ w1 + b1
    hidden = np.maximum(pre, 0)
    logits = hidden @ w2 + b2
    outputs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss = -np.log((outputs * y).sum(axis=1)).mean() + 0.01 * np.square(w1).sum()
    assert moment.loss == pytest.approx(loss, rel=1e-5)
    assert moment.learning_rate == 0.01
    assert moment.commonest_share == np.bincount(outputs.argmax(axis=1)).max() / 32
    assert moment.output_rms == pytest.approx(np.sqrt(np.square(outputs).mean()), rel=1e-5)

    first, last = moment.layers
    assert (first.type, first.activation, first.units) == ("Dense", "relu", 7)
    assert first.pre_mean == pytest.approx(pre.mean(), rel=1e-5)
    assert first.pre_rms == pytest.approx(np.sqrt(np.square(pre).mean()), rel=1e-5)
    assert first.dead == pytest.approx((pre <= 0).all(axis=0).mean())
    assert (pre <= 0).all(axis=0)[0]
    assert first.saturated == pytest.approx((pre <= 0).mean())
    unit = w1 / np.linalg.norm(w1, axis=0)
    cosines = np.abs(unit.T @ unit)[np.triu_indices(7, 1)]
    assert first.cosine == pytest.approx(cosines.mean(), rel=1e-4)
    assert first.weight_norm == pytest.approx(np.sqrt(np.square(w1).sum() + np.square(b1).sum()))
    assert first.update_ratio == pytest.approx(0.01, rel=1e-3)

    error = (outputs - y) / 32
    of_last = np.sqrt(np.square(hidden.T @ error).sum() + np.square(error.sum(axis=0)).sum())
    assert last.gradient_norm == pytest.approx(of_last, rel=1e-4)
    assert (last.dead, last.saturated) == (None, None)
    back = error @ w2.T * (pre > 0)
    of_first = np.square(x.T @ back + 0.02 * w1).sum() + np.square(back.sum(axis=0)).sum()
    assert first.gradient_norm == pytest.approx(np.sqrt(of_first), rel=1e-4)
    assert moment.gradient_norm == pytest.approx(np.hypot(of_last, np.sqrt(of_first)), rel=1e-4)


@pytest.mark.parametrize("name", LIMITS)
def test_an_activation_is_flat_where_the_table_says(name: str) -> None:
    limits = LIMITS[name]
    x = tf.constant(np.linspace(-100, 20, 120_001, dtype=np.float32))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = getattr(keras.activations, name)(x)
    slope = np.abs(tape.gradient(y, x).numpy())
    at = x.numpy()
    flat = (at <= limits.flat[0]) | (at >= limits.flat[1])
    assert (slope[flat] <= 0.0105 * slope.max()).all()
    close = ((at > limits.flat[0]) & (at < limits.flat[0] + 0.2)) | (
        (at < limits.flat[1]) & (at > limits.flat[1] - 0.2)
    )
    assert (slope[close] >= 0.0095 * slope.max()).all()
    dead = (at <= limits.dead[0]) | (at >= limits.dead[1])
    assert (slope[dead] == 0).all()


# Runs.


def test_signals_change_no_bit_of_the_curve(tmp_path: Path) -> None:
    """With dropout, batch normalization, noise and shuffling: what draws seeds or keeps state."""
    curves = {}
    for which in ("on", "off"):
        (scratch := tmp_path / which).mkdir()
        hooks = Recorder()
        end = run(RESUMED.model_copy(update={"signals": which}), scratch, hooks)
        assert isinstance(end, Finished)
        curves[which] = (bits(hooks.rows), {n: v.hex() for n, v in end.metrics.items()})
        kinds = {signal.kind for signal in hooks.signals}
        assert kinds == ({"run", "losses", "moment"} if which == "on" else {"run", "losses"})
    assert curves["on"] == curves["off"]


def test_moments_come_at_their_steps(tmp_path: Path) -> None:
    signals = measured(spec([*FLAT, *SOFTMAX], epochs=9), tmp_path)
    assert signals.steps_per_epoch == 5
    assert [(m.step, m.epoch, m.at_epoch_end) for m in signals.moments] == [
        *((step, 0, False) for step in (0, 1, 2, 4)),
        *((5 * epoch, epoch, True) for epoch in (1, 2, 3, 4, 5, 6, 7, 8, 9)),
    ]
    assert len(signals.first_losses) == 32
    assert signals.non_finite_step is None
    assert signals.moments[0].layers[0].update_ratio is None
    assert all(m.layers[0].update_ratio for m in signals.moments[1:])
    assert signals.data is not None
    assert signals.data.input_max <= 1
    assert sum(signals.data.class_counts) == 150


def test_the_first_losses_are_those_of_the_curve(tmp_path: Path) -> None:
    hooks = Recorder()
    experiment = spec([*FLAT, *SOFTMAX], {**DIGITS, "limit": 160}, epochs=1)
    assert isinstance(run(experiment, tmp_path, hooks), Finished)
    losses = gathered(hooks.signals).first_losses
    assert np.mean(losses) == pytest.approx(hooks.rows[0].metrics["loss"], rel=1e-6)


def test_a_run_that_breaks_in_its_first_epoch_is_seen(tmp_path: Path) -> None:
    model = [*FLAT, {"type": "Dense", "units": 10}]
    hot = {"type": "SGD", "learning_rate": 1.0}
    signals = measured(spec(model, {"name": "digits"}, optimizer=hot, loss="mse"), tmp_path)
    assert signals.non_finite_step is not None
    before = signals.first_losses[: signals.non_finite_step - 1]
    assert np.isfinite(before).all()
    assert not np.isfinite(signals.first_losses[signals.non_finite_step - 1])
    assert signals.moments[-1].at_epoch_end
    assert not np.isfinite(signals.moments[-1].loss)


IMAGE: dict[str, Any] = {"type": "Reshape", "target_shape": [28, 28, 1]}
RELU = {"type": "Activation", "activation": "relu"}


def test_every_layer_with_weights_is_seen(tmp_path: Path) -> None:
    model = [
        IMAGE,
        {"type": "Conv2D", "filters": 4, "kernel_size": 3, "strides": 2},
        {"type": "BatchNormalization"},
        {"type": "Dropout", "rate": 0.2},
        RELU,
        {"type": "DepthwiseConv2D", "kernel_size": 3, "depth_multiplier": 2, "activation": "tanh"},
        {"type": "LayerNormalization"},
        {"type": "SeparableConv2D", "filters": 6, "kernel_size": 3, "use_bias": False},
        {"type": "GaussianNoise", "stddev": 0.1},
        {"type": "Activation", "activation": "elu"},
        {"type": "MaxPooling2D"},
        {"type": "ZeroPadding2D"},
        {"type": "GlobalAveragePooling2D"},
        *DENSE,
        *SOFTMAX,
    ]
    signals = measured(spec(model, epochs=1), tmp_path)
    layers = signals.moments[-1].layers
    assert [(s.index, s.type, s.activation, s.units) for s in layers] == [
        (1, "Conv2D", "relu", 4),
        (5, "DepthwiseConv2D", "tanh", 8),
        (7, "SeparableConv2D", "elu", 6),
        (13, "Dense", "relu", 16),
        (14, "Dense", "softmax", 10),
    ]
    for layer in layers:
        numbers = [v for v in asdict(layer).values() if isinstance(v, float)]
        assert np.isfinite(numbers).all()
    # What enters the ReLU comes from batch normalization with the probe's own statistics.
    start = signals.moments[0].layers[0]
    assert start.pre_mean == pytest.approx(0, abs=0.01)
    assert start.pre_rms == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("dataset", "units", "loss"),
    [("diabetes", 1, "mse"), ("breast_cancer", 1, "binary_crossentropy"), ("moons", 2, "mse")],
)
def test_other_tasks(dataset: str, units: int, loss: str, tmp_path: Path) -> None:
    head = {"type": "Dense", "units": units, "activation": "linear" if units == 1 else "softmax"}
    signals = measured(spec([*DENSE, head], {"name": dataset}, loss=loss), tmp_path)
    assert signals.data is not None
    assert signals.curvature is not None
    regression = dataset == "diabetes"
    assert (signals.data.target_mean is None) != regression
    assert (signals.moments[0].commonest_share is None) == regression
    assert (signals.data.label_runs is None) == regression


def test_a_loss_that_cannot_be_derived_twice_has_no_curvature(tmp_path: Path) -> None:
    model = [*FLAT, {**DENSE[0], "activation": "softsign"}, *SOFTMAX]
    signals = measured(spec(model, epochs=1), tmp_path)
    assert signals.curvature is None
    assert len(signals.moments) == 5


@pytest.fixture(scope="module")
def on_mnist(mnist_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Signals]:
    """The question's experiments on real MNIST, one epoch each."""
    found = {}
    for name in ("relu-raw", "sigmoid-raw", "relu-unit", "sigmoid-unit"):
        recipe = json.loads(Path(f"recipes/{name}.json").read_text())
        recipe["training"] |= {"epochs": 1, "validation": {"on": "none"}}
        hooks = Recorder()
        train(
            Experiment.model_validate(recipe),
            facts_of("mnist"),
            upload=None,
            data_dir=mnist_dir,
            scratch=tmp_path_factory.mktemp(name),
            resume=None,
            checkpoint_seconds=0,
            hooks=hooks,
            programs=Programs(tmp_path_factory.getbasetemp() / "arrays"),
        )
        found[name] = gathered(hooks.signals)
    return found


def hidden_at(moments: Sequence[Moment], step: int) -> Any:
    return next(m for m in moments if m.step == step).layers[0]


def sharpness(signals: Signals) -> float:
    """lr * lambda_max / 2."""
    assert signals.curvature is not None
    return 0.01 * signals.curvature.lambda_max / 2


def test_the_question_is_seen_within_its_first_steps(on_mnist: dict[str, Signals]) -> None:
    """DESIGN's table, measured there on 2,000 examples, here on 256."""
    relu_raw, sigmoid_raw = (sharpness(on_mnist[f"{name}-raw"]) for name in ("relu", "sigmoid"))
    assert relu_raw > 10
    assert 0.5 < sigmoid_raw < 10
    assert sharpness(on_mnist["relu-unit"]) < 0.1
    assert sharpness(on_mnist["sigmoid-unit"]) < 0.1

    relu, sigmoid = on_mnist["relu-raw"], on_mnist["sigmoid-raw"]
    assert relu.curvature is not None
    assert relu.curvature.scaled_lambda_max is not None
    assert relu.curvature.lambda_max > 100 * relu.curvature.scaled_lambda_max
    assert relu.first_losses[0] > 50
    assert relu.first_losses[1] > 5 * relu.first_losses[0]
    assert relu.first_losses[2] > 5 * relu.first_losses[1]
    assert hidden_at(relu.moments, 0).dead == 0
    assert hidden_at(relu.moments, 256).dead > 0.9
    assert hidden_at(sigmoid.moments, 256).saturated > 0.9
    assert sigmoid.first_losses[5] < sigmoid.first_losses[0] < 5
    assert hidden_at(on_mnist["relu-unit"].moments, 256).dead == 0
