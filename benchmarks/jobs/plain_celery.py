"""A plain Celery task that does what benchmarks/script.py does; Redis is BENCHMARK_REDIS_URL."""

import os

import numpy as np
from celery import Celery

URL = os.environ.get("BENCHMARK_REDIS_URL", "memory://")
app = Celery("plain", broker=URL, backend=URL)


@app.task
def fit(file: str, epochs: int, seed: int) -> list[float]:
    """The test accuracy of each epoch; TensorFlow is loaded with the process's first task."""
    import keras
    from keras.layers import Dense, Flatten

    with np.load(file) as data:
        x_train, x_test = (data[name].astype("float32") / 255 for name in ("x_train", "x_test"))
        y_train, y_test = (keras.utils.to_categorical(data[n], 10) for n in ("y_train", "y_test"))
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            Flatten(),
            Dense(100, activation="relu"),
            Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.01), loss="categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        x_train,
        y_train,
        batch_size=100,
        epochs=epochs,
        validation_data=(x_test, y_test),
        verbose=0,
    )
    accuracies: list[float] = history.history["val_accuracy"]
    return accuracies
