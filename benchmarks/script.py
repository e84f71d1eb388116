"""The question's script, scaled to [0, 1]: `python benchmarks/script.py IMAGES.npz EPOCHS`.

It stands alone, as what a user would write: it knows nothing of this service. IMAGES.npz is laid
out as Keras' mnist.npz.
"""

import sys

import keras
import numpy as np

with np.load(sys.argv[1]) as file:
    x_train, y_train, x_test, y_test = (
        file[name] for name in ("x_train", "y_train", "x_test", "y_test")
    )
x_train, x_test = (x.reshape(len(x), -1).astype("float32") / 255 for x in (x_train, x_test))
y_train, y_test = (keras.utils.to_categorical(y, 10) for y in (y_train, y_test))

model = keras.Sequential(
    [keras.layers.Dense(100, activation="relu"), keras.layers.Dense(10, activation="softmax")]
)
model.compile(keras.optimizers.SGD(0.01), "categorical_crossentropy", metrics=["accuracy"])
model.fit(
    x_train,
    y_train,
    batch_size=100,
    epochs=int(sys.argv[2]),
    validation_data=(x_test, y_test),
    verbose=0,
)
print(model.evaluate(x_test, y_test, verbose=0)[1])
