"""Settings of the whole process that trains; nothing else here touches what is global."""

import gc
import importlib
import os


def configure(threads: int) -> list[str]:
    """Prepare this process for training on `threads` CPU threads; its devices, of "cpu", "gpu".

    To be called once, before any other module of this package that loads TensorFlow.
    Deterministic kernels make a resumed run equal an unbroken one; they cost 5 % at most, which is
    within the noise (an MLP and a CNN). A second inter-op thread made every model slower.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # A user's own keras.json may name another backend.
    os.environ["KERAS_BACKEND"] = "tensorflow"
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
