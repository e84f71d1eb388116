"""What the kernels make of weights and gradients, beside what Keras makes of them."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from contract.experiment.optimizers import Optimizer
from contract.experiment.spec import Training
from tests.strategies import OPTIMIZERS
from worker.training.program.build import construct, plain_optimizer

SHAPES = [(40, 30), (30,)]
STEPS = 12
DECAY = {"type": "CosineDecay", "initial_learning_rate": 0.01, "decay_steps": 9}
KERNELS: list[dict[str, Any]] = [
    {"type": "Adam"},
    {"type": "Adam", "beta_1": 0.0, "beta_2": 0.9, "epsilon": 0.1, "clipnorm": 0.5},
    {"type": "Adam", "beta_1": 0.0, "beta_2": 0.0},
    {"type": "Adam", "beta_1": 0.999},
    {"type": "Adam", "beta_1": 0.9999},
    {"type": "Adam", "beta_2": 0.9999},
    {"type": "Adam", "amsgrad": True},
    {"type": "AdamW", "weight_decay": 0.1},
    {"type": "AdamW", "learning_rate": DECAY, "global_clipnorm": 0.5},
    {"type": "RMSprop"},
    {"type": "RMSprop", "rho": 0.5, "epsilon": 0.01, "clipvalue": 0.1},
    {"type": "RMSprop", "rho": 0.0, "learning_rate": DECAY},
    {"type": "RMSprop", "rho": 0.999},
    {"type": "RMSprop", "rho": 0.9999},
    {"type": "RMSprop", "momentum": 0.9},
    {"type": "RMSprop", "momentum": 0.9, "centered": True},
    {"type": "RMSprop", "centered": True},
]


def parsed(optimizer: dict[str, Any]) -> Optimizer:
    return Training(optimizer=optimizer, loss="mse", epochs=1).optimizer


def trained(optimizer: Any) -> list[Any]:
    """Weights after STEPS steps, with gradients from 1e-8 to 1."""
    generator = np.random.default_rng(0)
    weights = [keras.Variable(generator.normal(size=shape), dtype="float32") for shape in SHAPES]
    optimizer.build(weights)
    step = tf.function(lambda *gradients: optimizer.apply(list(gradients), weights))
    for _ in range(STEPS):
        scales = 10.0 ** generator.integers(-8, 1, 2)
        gradients = zip(SHAPES, scales, strict=True)
        step(*[tf.constant(generator.normal(0, s, shape), tf.float32) for shape, s in gradients])
    return [weight.numpy() for weight in weights]


@pytest.mark.parametrize("optimizer", KERNELS, ids=str)
def test_a_kernel_updates_as_keras_does(optimizer: dict[str, Any]) -> None:
    part = parsed(optimizer)
    ours, theirs = construct(part), plain_optimizer(part)
    for updated, expected in zip(trained(ours), trained(theirs), strict=True):
        np.testing.assert_allclose(updated, expected, rtol=2e-5, atol=2e-6)


@settings(max_examples=40, deadline=None)
@given(OPTIMIZERS)
def test_so_does_each_that_is_drawn(optimizer: Optimizer) -> None:
    ours, theirs = construct(optimizer), plain_optimizer(optimizer)
    for updated, expected in zip(trained(ours), trained(theirs), strict=True):
        np.testing.assert_allclose(updated, expected, rtol=1e-3, atol=1e-4)
