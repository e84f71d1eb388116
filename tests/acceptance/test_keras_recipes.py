"""The recipes that are Keras' own examples: posted, and beside their models in plain Keras."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import pytest
from keras import layers

from api.jobs.recipes import RECIPES
from tests.served import Api, serving, settings_for

FOLDER = Path(__file__).parents[2] / "recipes" / "keras"
Network = list[Any]


def words(number: int, size: int, length: int) -> Network:
    return [keras.Input((length,)), layers.Embedding(number, size)]


def hierarchical() -> Network:
    rows = layers.TimeDistributed(layers.LSTM(128))
    return [keras.Input((28, 28, 1)), rows, layers.LSTM(128), layers.Dense(10, "softmax")]


def irnn() -> Network:
    begin = keras.initializers
    recurrent = layers.SimpleRNN(
        100, "relu", kernel_initializer=begin.RandomNormal(stddev=0.001),
        recurrent_initializer=begin.Identity(),
    )  # fmt: skip
    return [keras.Input((784, 1)), recurrent, layers.Dense(10, "softmax")]


def self_normalizing() -> Network:
    hidden = [
        layer
        for _ in range(6)
        for layer in (
            layers.Dense(16, "selu", kernel_initializer="lecun_normal"),
            layers.AlphaDropout(0.1),
        )
    ]
    return [keras.Input((1000,)), *hidden, layers.Dense(46, "softmax")]


def films() -> Network:
    hidden = [
        layer
        for _ in range(4)
        for layer in (
            layers.ConvLSTM2D(40, 3, padding="same", return_sequences=True),
            layers.BatchNormalization(),
        )
    ]
    last = layers.Conv3D(1, 3, padding="same", activation="sigmoid")
    return [keras.Input((15, 40, 40, 1)), *hidden, last]


def pictures(shape: tuple[int, ...], *blocks: tuple[int, int], padding: str) -> Network:
    """Blocks of two convolutions of so many filters each, and a pooling."""
    made: Network = [keras.Input(shape)]
    for one, other in blocks:
        made += [layers.Conv2D(one, 3, padding=padding, activation="relu")]
        made += [layers.Conv2D(other, 3, activation="relu"), layers.MaxPooling2D()]
    return [*made, layers.Flatten()]


def dense(*units: int) -> Network:
    *hidden, last = units
    return [*(layers.Dense(each, "relu") for each in hidden), layers.Dense(last, "softmax")]


def denoising() -> Network:
    strided: dict[str, Any] = {"strides": 2, "activation": "relu", "padding": "same"}
    return [
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, **strided),
        layers.Conv2D(64, 3, **strided),
        layers.Flatten(),
        layers.Dense(16),
        layers.Dense(7 * 7 * 64),
        layers.Reshape((7, 7, 64)),
        layers.Conv2DTranspose(64, 3, **strided),
        layers.Conv2DTranspose(32, 3, **strided),
        layers.Conv2DTranspose(1, 3, padding="same"),
        layers.Activation("sigmoid"),
    ]


# What each script builds; the optimizer, the loss, the batch size and the epochs that it trains by.
SCRIPTS: dict[str, tuple[Callable[[], Network], tuple[str, str, int, int]]] = {
    "addition_rnn": (
        lambda: [
            keras.Input((7, 12)),
            layers.LSTM(128),
            layers.RepeatVector(4),
            layers.LSTM(128, return_sequences=True),
            layers.TimeDistributed(layers.Dense(12, "softmax")),
        ],
        ("Adam", "categorical_crossentropy", 128, 199),
    ),
    "cifar10_cnn": (
        lambda: [
            *pictures((32, 32, 3), (32, 32), (64, 64), padding="same"), *dense(512, 10)
        ],
        ("RMSprop", "categorical_crossentropy", 32, 100),
    ),
    "conv_lstm": (films, ("Adadelta", "binary_crossentropy", 10, 300)),
    "mnist_cnn": (
        lambda: [*pictures((28, 28, 1), (32, 64), padding="valid"), *dense(128, 10)],
        ("Adadelta", "categorical_crossentropy", 128, 12),
    ),
    "mnist_sklearn_wrapper": (
        lambda: [*pictures((28, 28, 1), (8, 8), padding="valid"), *dense(64, 64, 10)],
        ("Adadelta", "categorical_crossentropy", 32, 6),
    ),
    "imdb_bidirectional_lstm": (
        lambda: [
            *words(20_000, 128, 100),
            layers.Bidirectional(layers.LSTM(64)),
            layers.Dropout(0.5),
            layers.Dense(1, "sigmoid"),
        ],
        ("Adam", "binary_crossentropy", 32, 4),
    ),
    "imdb_cnn": (
        lambda: [
            *words(5_000, 50, 400),
            layers.Conv1D(250, 3, activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(250, "relu"),
            layers.Dense(1, "sigmoid"),
        ],
        ("Adam", "binary_crossentropy", 32, 2),
    ),
    "imdb_cnn_lstm": (
        lambda: [
            *words(20_000, 128, 100),
            layers.Conv1D(64, 5, activation="relu"),
            layers.MaxPooling1D(4),
            layers.LSTM(70),
            layers.Dense(1, "sigmoid"),
        ],
        ("Adam", "binary_crossentropy", 30, 2),
    ),
    "imdb_fasttext": (
        lambda: [
            *words(20_000, 50, 400), layers.GlobalAveragePooling1D(), layers.Dense(1, "sigmoid")
        ],
        ("Adam", "binary_crossentropy", 32, 5),
    ),
    "imdb_lstm": (
        lambda: [
            *words(20_000, 128, 80),
            layers.LSTM(128, dropout=0.2, recurrent_dropout=0.2),
            layers.Dense(1, "sigmoid"),
        ],
        ("Adam", "binary_crossentropy", 32, 15),
    ),
    "mnist_denoising_autoencoder": (denoising, ("Adam", "mean_squared_error", 128, 30)),
    "mnist_hierarchical_rnn": (hierarchical, ("RMSprop", "categorical_crossentropy", 32, 5)),
    "mnist_irnn": (irnn, ("RMSprop", "categorical_crossentropy", 32, 200)),
    "reuters_mlp": (
        lambda: [
            keras.Input((1000,)),
            layers.Dense(512, "relu"),
            layers.Dropout(0.5),
            layers.Dense(46, "softmax"),
        ],
        ("Adam", "categorical_crossentropy", 32, 5),
    ),
    "reuters_mlp_relu_vs_selu": (self_normalizing, ("SGD", "categorical_crossentropy", 16, 40)),
}  # fmt: skip


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("recipes")
    with serving(settings_for(f"sqlite:///{folder / 'db'}", folder)) as served:
        yield served


def test_each_recipe_has_its_script() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_dry_run_tells_what_the_script_builds(name: str, api: Api) -> None:
    network, training = SCRIPTS[name]
    recipe = f"keras-{name.replace('_', '-')}"
    told = api.post("/v1/jobs?dry_run=true", 200, **json.loads(RECIPES[recipe]))
    model = keras.Sequential(network())
    assert told["parameters"] == model.count_params()
    assert tuple(told["output_shape"]) == model.output_shape[1:]
    said = json.loads(RECIPES[recipe])["training"]
    given = said["optimizer"]["type"], said["loss"], said["batch_size"], said["epochs"]
    assert given == training
    assert api.post("/v1/jobs?dry_run=true", 200, recipe=recipe) == told
