"""Keras' optimizers that update each variable with one kernel of TensorFlow.

Keras writes an update as up to a dozen operations, each of which goes through all weights. A kernel
differs from it by rounding alone, and saves Adam a tenth of a step, RMSprop a twentieth, SGD
nothing. What a kernel does not offer, or computes less well than Keras, is left to Keras.
"""

from typing import Any

import keras
import tensorflow as tf

# The kernels take 1 - beta in float32, of which above this less than five digits are left.
GREATEST_BETA = 0.999
# RMSprop's adds (gradient^2 - mean) * (1 - rho) to the mean: with less than this a mean that falls
# by orders of magnitude is lost in what is left of the old one.
LEAST_RHO = 0.5


class Adam(keras.optimizers.Adam):
    """With `weight_decay` it is AdamW, as in Keras."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if self.amsgrad or max(self.beta_1, self.beta_2) > GREATEST_BETA:
            super().update_step(gradient, variable, learning_rate)
            return
        step = tf.cast(self.iterations + 1, tf.float32)
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )


class RMSprop(keras.optimizers.RMSprop):
    """Without momentum, too, the kernel wants memory for the last change of each weight."""

    def build(self, variables: Any) -> None:
        super().build(variables)
        if self.momentum:
            self._changes = self._momentums
        elif not self.centered:
            self._changes = self.add_optimizer_variables(variables, "change")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if self.centered or not LEAST_RHO <= self.rho <= GREATEST_BETA:
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyRMSProp(
            var=variable.handle,
            ms=self._velocities[index].value.handle,
            mom=self._changes[index].value.handle,
            lr=tf.cast(learning_rate, tf.float32),
            rho=self.rho,
            momentum=self.momentum,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )
