"""Keras' Adam and RMSprop, updating each variable with one kernel of TensorFlow.

Keras writes an update as up to a dozen operations, each of which goes through all weights. A kernel
differs from it by rounding alone and saves a small model up to a fifth of a step. Only what Keras
documents for optimizers of one's own is overridden or called (`build`, `update_step`,
`add_optimizer_variables`). Clipping, weight decay, schedules and loss scales stay Keras'.

What a kernel does not offer, or computes less well than Keras, is left to Keras: `adam` and
`rmsprop` choose.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf
from typing_extensions import override

Slots: TypeAlias = tuple[Sequence[Any], Sequence[Any]]

# The kernels take 1 - beta in float32, of which above this less than five digits are left.
GREATEST_BETA = 0.999
# RMSprop's adds (gradient^2 - mean) * (1 - rho) to the mean: with less than this a mean that falls
# by orders of magnitude is lost in what is left of the old one.
LEAST_RHO = 0.5


class _OneKernel(keras.optimizers.Optimizer):
    """Keeps two variables for each weight, made in Keras' order: checkpoints go by it."""

    @override
    def build(self, variables: Any) -> None:
        if self.built:
            return
        # The base class' own: that of the class in between would make its slots as well.
        keras.optimizers.Optimizer.build(self, variables)
        self._handles = {
            variable.value.ref(): (first.value.handle, second.value.handle)
            for variable, first, second in zip(variables, *self._slots(variables), strict=True)
        }

    @abstractmethod
    def _slots(self, variables: Any) -> Slots:
        """New ones, in the order of `variables`."""

    @override
    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        self._update(
            variable.handle,
            *self._handles[variable.ref()],
            lr=tf.cast(learning_rate, tf.float32),
            grad=tf.cast(tf.convert_to_tensor(gradient), tf.float32),
        )

    @abstractmethod
    def _update(self, var: Any, first: Any, second: Any, *, lr: Any, grad: Any) -> None:
        """One step of the variable behind the handle `var`."""


class Adam(_OneKernel, keras.optimizers.Adam):
    """With `weight_decay` it is AdamW, as in Keras."""

    @override
    def _slots(self, variables: Any) -> Slots:
        momenta, velocities = self.add_optimizer_variables(variables, ["momentum", "velocity"])
        return momenta, velocities

    @override
    def _update(self, var: Any, first: Any, second: Any, *, lr: Any, grad: Any) -> None:
        step = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=var,
            m=first,
            v=second,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=lr,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=grad,
        )


class RMSprop(_OneKernel, keras.optimizers.RMSprop):
    """Without momentum, too, the kernel wants memory for the last change of each weight."""

    @override
    def _slots(self, variables: Any) -> Slots:
        velocities = self.add_optimizer_variables(variables, "velocity")
        return velocities, self.add_optimizer_variables(variables, "momentum")

    @override
    def _update(self, var: Any, first: Any, second: Any, *, lr: Any, grad: Any) -> None:
        tf.raw_ops.ResourceApplyRMSProp(
            var=var,
            ms=first,
            mom=second,
            lr=lr,
            rho=self.rho,
            momentum=self.momentum,
            epsilon=self.epsilon,
            grad=grad,
        )


def adam(*, beta_1: float, beta_2: float, amsgrad: bool, **more: Any) -> Any:
    """Keras' Adam, or AdamW with `weight_decay`, on one kernel where that is as good."""
    exact = not amsgrad and max(beta_1, beta_2) <= GREATEST_BETA
    kind = Adam if exact else keras.optimizers.Adam
    return kind(beta_1=beta_1, beta_2=beta_2, amsgrad=amsgrad, **more)


def rmsprop(*, rho: float, centered: bool, **more: Any) -> Any:
    """Keras' RMSprop, on one kernel where that is as good."""
    exact = not centered and LEAST_RHO <= rho <= GREATEST_BETA
    kind = RMSprop if exact else keras.optimizers.RMSprop
    return kind(rho=rho, centered=centered, **more)
