"""A layer that Keras has only as an operation."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="plateau")
class Clip(keras.layers.Layer):
    """Values below `x_min` become `x_min`, values above `x_max` become `x_max`."""

    def __init__(self, x_min: float, x_max: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.x_min = x_min
        self.x_max = x_max

    def call(self, inputs: Any) -> Any:
        return keras.ops.clip(inputs, self.x_min, self.x_max)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "x_min": self.x_min, "x_max": self.x_max}
