"""Settings of the whole process that trains; nothing else here touches what is global."""

import gc
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# What TensorFlow's libraries write to the standard error while they are loaded, whatever the log
# level: that their log is not open yet, and that there is no GPU.
_NOISE = re.compile(rb"WARNING: All log messages before absl::|I\d{4} .*cudart_stub\.cc")


def configure(threads: int) -> list[str]:
    """Prepare this process for training on `threads` CPU threads; its devices, of "cpu", "gpu".

    To be called once, before any other module of this package that loads TensorFlow.
    Deterministic kernels make a resumed run equal an unbroken one; they cost 5 % at most, which is
    within the noise (an MLP and a CNN). A second inter-op thread made every model slower.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # A user's own keras.json may name another backend.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with _without_noise():
        import keras
        import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    # What it is anyway; but once the signals' probe has said so too, all graphs that were optimized
    # before are optimized again, which takes 0.1 s.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    # So that the first run waits for no import, and that no run's garbage collection looks
    # through all of TensorFlow again, which takes 0.3 s.
    importlib.import_module("worker.training.run")
    gc.freeze()
    return ["cpu", "gpu"] if gpus else ["cpu"]


@contextmanager
def _without_noise() -> Iterator[None]:
    """Hold back what is written to the standard error, then pass on all of it but `_NOISE`."""
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            os.close(real)
            held.seek(0)
            sys.stderr.buffer.writelines(line for line in held if not _NOISE.match(line))
            sys.stderr.flush()
