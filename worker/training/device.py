"""Where a run computes, and what it ran on."""

import platform

import keras
import numpy as np
import tensorflow as tf

from contract.environment import cores
from contract.errors import RunFailed
from contract.experiment.spec import Device


def place(device: Device) -> str:
    """TensorFlow's name of the device for `device`; `any` prefers a GPU.

    Raises RunFailed when a GPU is asked for and there is none.
    """
    if device == "cpu" or not tf.config.list_logical_devices("GPU"):
        if device == "gpu":
            raise RunFailed(
                "no_gpu",
                "the experiment asks for a GPU, and TensorFlow finds none on this worker",
                "start a worker on a GPU machine, or set device to any",
            )
        return "/CPU:0"
    return "/GPU:0"


def environment(place: str) -> dict[str, str | int]:
    """Versions, the device's name and the CPU's share: what a result may depend on."""
    return {
        "python": platform.python_version(),
        "keras": keras.version(),
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "device": _gpu_name() if "GPU" in place else "CPU",
        "cores": cores(),
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
    }


def _gpu_name() -> str:
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return str(details.get("device_name", "GPU"))
