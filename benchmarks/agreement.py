"""Plateau's training against plain `model.fit`, by final test accuracy over several seeds.

`python -m benchmarks.agreement [NAME...]` trains on 6,000 pictures of MNIST where PLATEAU_DATA_DIR
names a folder with mnist.npz, else on digits, and prints a table. Each side shuffles in its own
way, so single runs differ; the means must not differ by more than one seed does from another.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from contract.environment import cores
from contract.experiment.datasets import facts_of
from contract.experiment.spec import Experiment
from contract.jobs.reports import FinishedEpoch, Signal
from contract.settings import Settings
from worker.training.hooks import Finished
from worker.training.runtime import configure

SEEDS = (0, 1, 2, 3, 4)
SPECS: dict[str, dict[str, Any]] = {
    "SGD": {
        "layers": [
            {"type": "Flatten"},
            {"type": "Dense", "units": 100, "activation": "relu"},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ],
        "optimizer": {"type": "SGD", "learning_rate": 0.1},
    },
    "Adam, dropout": {
        "layers": [
            {"type": "Flatten"},
            {"type": "Dense", "units": 128, "activation": "relu"},
            {"type": "Dropout", "rate": 0.3},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ],
        "optimizer": {"type": "Adam"},
    },
    "CNN, batch normalization": {
        "layers": [
            {"type": "Reshape", "target_shape": [28, 28, 1]},
            {"type": "Conv2D", "filters": 8, "kernel_size": 3, "activation": "relu"},
            {"type": "BatchNormalization"},
            {"type": "MaxPooling2D"},
            {"type": "Flatten"},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ],
        "optimizer": {"type": "Adam"},
    },
    "LSTM": {
        "layers": [
            {"type": "LSTM", "units": 32, "dropout": 0.1},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ],
        "optimizer": {"type": "Adam", "learning_rate": 0.01},
    },
    "Conv1D": {
        "layers": [
            {"type": "Conv1D", "filters": 32, "kernel_size": 5, "activation": "relu"},
            {"type": "MaxPooling1D"},
            {"type": "Conv1D", "filters": 32, "kernel_size": 3, "activation": "relu"},
            {"type": "GlobalMaxPooling1D"},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ],
        "optimizer": {"type": "Adam", "learning_rate": 0.003},
    },
    "residual, augmented": {
        "layers": [
            {"type": "Reshape", "target_shape": [28, 28, 1]},
            {"type": "RandomTranslation", "height_factor": 0.1, "width_factor": 0.1},
            {"type": "Conv2D", "filters": 8, "kernel_size": 3, "activation": "relu", "name": "a"},
            {
                "type": "Conv2D",
                "filters": 8,
                "kernel_size": 3,
                "padding": "same",
                "activation": "relu",
                "name": "b",
            },
            {"type": "Add", "inputs": ["a", "b"]},
            {"type": "MaxPooling2D", "pool_size": 4},
            {"type": "Flatten"},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ],
        "optimizer": {"type": "Adam"},
    },
    "transformer": {
        "layers": [
            {"type": "Dense", "units": 32, "name": "rows"},
            {
                "type": "MultiHeadAttention",
                "num_heads": 2,
                "key_dim": 16,
                "inputs": ["rows", "rows"],
                "name": "attention",
            },
            {"type": "Add", "inputs": ["rows", "attention"]},
            {"type": "LayerNormalization", "name": "seen"},
            {"type": "Dense", "units": 64, "activation": "relu"},
            {"type": "Dense", "units": 32, "name": "thought"},
            {"type": "Add", "inputs": ["seen", "thought"]},
            {"type": "LayerNormalization"},
            {"type": "GlobalAveragePooling1D"},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ],
        "optimizer": {"type": "Adam", "learning_rate": 0.003},
    },
    "frozen": {
        "layers": [
            {"type": "Flatten"},
            {"type": "Dense", "units": 200, "activation": "relu", "trainable": False},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ],
        "optimizer": {"type": "RMSprop"},
    },
}


@dataclass
class Side:
    """One way to train: a test accuracy and the seconds in training for each seed."""

    accuracies: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def spread(self) -> float:
        return max(self.accuracies) - min(self.accuracies)


@dataclass
class Agreement:
    """Plain Keras and Plateau on the same experiment."""

    keras: Side
    plateau: Side

    @property
    def difference(self) -> float:
        return abs(mean(self.keras.accuracies) - mean(self.plateau.accuracies))

    @property
    def holds(self) -> bool:
        return self.difference <= max(self.keras.spread, self.plateau.spread)


class Silent:
    """Hooks that nothing comes of."""

    def stop_requested(self) -> bool:
        return False

    def started(self, epoch: int, seconds: float, train_seconds: float) -> None:
        del epoch, seconds, train_seconds

    def progress(self, epoch: int, fraction: float) -> None:
        del epoch, fraction

    def epochs(self, rows: list[FinishedEpoch], signals: list[Signal], checkpoint: Path) -> None:
        del rows, signals
        checkpoint.unlink()


def plain_models() -> dict[str, Callable[[], Any]]:
    """The models of SPECS, compiled, as a Keras user writes them."""
    import keras
    from keras import layers

    def compiled(body: list[Any], optimizer: Any) -> Any:
        model = keras.Sequential([keras.Input((28, 28)), *body])
        model.compile(optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
        return model

    return {
        "SGD": lambda: compiled(
            [
                layers.Flatten(),
                layers.Dense(100, activation="relu"),
                layers.Dense(10, activation="softmax"),
            ],
            keras.optimizers.SGD(0.1),
        ),
        "Adam, dropout": lambda: compiled(
            [
                layers.Flatten(),
                layers.Dense(128, activation="relu"),
                layers.Dropout(0.3),
                layers.Dense(10, activation="softmax"),
            ],
            keras.optimizers.Adam(),
        ),
        "CNN, batch normalization": lambda: compiled(
            [
                layers.Reshape((28, 28, 1)),
                layers.Conv2D(8, 3, activation="relu"),
                layers.BatchNormalization(),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dense(10, activation="softmax"),
            ],
            keras.optimizers.Adam(),
        ),
        "LSTM": lambda: compiled(
            [layers.LSTM(32, dropout=0.1), layers.Dense(10, activation="softmax")],
            keras.optimizers.Adam(0.01),
        ),
        "Conv1D": lambda: compiled(
            [
                layers.Conv1D(32, 5, activation="relu"),
                layers.MaxPooling1D(),
                layers.Conv1D(32, 3, activation="relu"),
                layers.GlobalMaxPooling1D(),
                layers.Dense(10, activation="softmax"),
            ],
            keras.optimizers.Adam(0.003),
        ),
        "residual, augmented": lambda: compiled([_residual()], keras.optimizers.Adam()),
        "transformer": lambda: compiled([_transformer()], keras.optimizers.Adam(0.003)),
        "frozen": lambda: compiled(
            [
                layers.Flatten(),
                layers.Dense(200, activation="relu", trainable=False),
                layers.Dense(10, activation="softmax"),
            ],
            keras.optimizers.RMSprop(),
        ),
    }


def _residual() -> Any:
    import keras
    from keras import layers

    given = keras.Input((28, 28))
    x = layers.Reshape((28, 28, 1))(given)
    x = layers.RandomTranslation(0.1, 0.1)(x)
    a = layers.Conv2D(8, 3, activation="relu")(x)
    b = layers.Conv2D(8, 3, padding="same", activation="relu")(a)
    x = layers.Flatten()(layers.MaxPooling2D(4)(layers.Add()([a, b])))
    return keras.Model(given, layers.Dense(10, activation="softmax")(x))


def _transformer() -> Any:
    import keras
    from keras import layers

    given = keras.Input((28, 28))
    rows = layers.Dense(32)(given)
    seen = layers.Add()([rows, layers.MultiHeadAttention(2, 16)(rows, rows)])
    seen = layers.LayerNormalization()(seen)
    thought = layers.Dense(64, activation="relu")(seen)
    thought = layers.Dense(32)(thought)
    x = layers.LayerNormalization()(layers.Add()([seen, thought]))
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(given, layers.Dense(10, activation="softmax")(x))


def experiment(name: str, dataset: dict[str, Any], epochs: int, seed: int) -> Experiment:
    """SPECS[name] on `dataset`, with a last batch that is not full."""
    spec = SPECS[name]
    return Experiment.model_validate(
        {
            "name": name,
            "dataset": {"scaling": "unit", **dataset},
            "model": {"layers": spec["layers"]},
            "training": {
                "optimizer": spec["optimizer"],
                "loss": "categorical_crossentropy",
                "batch_size": 64,
                "epochs": epochs,
                "seed": seed,
            },
        }
    )


def compare(
    name: str, dataset: dict[str, Any], epochs: int, seeds: tuple[int, ...], data_dir: Path
) -> Agreement:
    """Train SPECS[name] both ways with each seed."""
    result = Agreement(Side(), Side())
    for seed in seeds:
        spec = experiment(name, dataset, epochs, seed)
        train_plainly(spec, data_dir, result.keras)
        train_here(spec, data_dir, result.plateau)
    return result


def train_plainly(spec: Experiment, data_dir: Path, side: Side) -> None:
    """As a script would: scale, one-hot, `fit`, `evaluate`."""
    import keras

    from worker.training.data.load import load
    from worker.training.data.prepare import prepare

    facts = facts_of(spec.dataset.name)
    data = prepare(spec, facts, load(spec.dataset, facts, data_dir))
    x_train, x_test = (part.x.astype("float32") / 255 for part in (data.train, data.test))
    y_train, y_test = (keras.utils.to_categorical(part.y, 10) for part in (data.train, data.test))
    training = spec.training
    keras.utils.set_random_seed(training.seed)
    model = plain_models()[spec.name]()
    began = time.perf_counter()
    model.fit(
        x_train,
        y_train,
        batch_size=training.batch_size,
        epochs=training.epochs,
        validation_data=(x_test, y_test),
        verbose=0,
    )
    side.seconds.append(time.perf_counter() - began)
    side.accuracies.append(model.evaluate(x_test, y_test, verbose=0)[1])


def train_here(spec: Experiment, data_dir: Path, side: Side) -> None:
    from worker.training.program.cache import Programs
    from worker.training.run import train

    with tempfile.TemporaryDirectory() as scratch:
        end = train(
            spec,
            facts_of(spec.dataset.name),
            upload=None,
            data_dir=data_dir,
            scratch=Path(scratch),
            resume=None,
            checkpoint_seconds=1,
            hooks=Silent(),
            programs=Programs(Path(scratch)),
        )
    assert isinstance(end, Finished)
    side.seconds.append(end.timing["train_seconds"])
    side.accuracies.append(end.metrics["test_accuracy"])


def main() -> int:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # it warns of what no reader can mend
    configure(cores())
    data_dir = Settings().data_dir
    mnist = (data_dir / "mnist.npz").exists()
    dataset = {"name": "mnist", "limit": 6000} if mnist else {"name": "digits"}
    print(f"{dataset}, 5 epochs, seeds {SEEDS}: mean test accuracy (seconds of training)")
    held = True
    for name in sys.argv[1:] or SPECS:
        result = compare(name, dataset, 5, SEEDS, data_dir)
        held = held and result.holds
        print(
            f"{name:26} Keras {mean(result.keras.accuracies):.4f} "
            f"({mean(result.keras.seconds):.1f} s)  "
            f"Plateau {mean(result.plateau.accuracies):.4f} "
            f"({mean(result.plateau.seconds):.1f} s)  "
            f"difference {result.difference:.4f}, spread {result.keras.spread:.4f}: "
            f"{'agrees' if result.holds else 'DIFFERS'}"
        )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
