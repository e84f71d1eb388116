"""Whole numbers that an Embedding looks up, and labels with a class or a quantity at each place."""

from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, r2_score

from contract.experiment.datasets import Facts, Task, aimed, stored_facts
from contract.experiment.spec import Experiment, described
from contract.jobs.reports import FinishedEpoch
from contract.settings import Settings
from contract.sizing.limits import check
from diagnosis.diagnose import diagnose
from diagnosis.run.case import Case
from tests import uploaded
from tests.acceptance.test_signals import gathered
from tests.acceptance.test_training import NO_FILES, Layers, Recorder, keras_history
from worker.training.data.load import Arrays, load
from worker.training.data.prepare import prepare
from worker.training.hooks import Finished
from worker.training.program.cache import Programs
from worker.training.run import train

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(0)


def upload(task: Task, x: Array, y: Array, classes: int | None = None) -> tuple[Facts, Arrays]:
    """The last fifth is for testing."""
    cut, shape = len(x) * 4 // 5, y.shape[1:]
    whole = x.dtype != np.float32
    facts = Facts(
        task, x.shape[1:], classes, cut, len(x) - cut, (float(x.min()), float(x.max())),
        x.itemsize, "upload", "", targets=int(np.prod(shape)), label_shape=shape,
        whole_range=(int(x.min()), int(x.max())) if whole else None,
    )  # fmt: skip
    return facts, Arrays(x[:cut], y[:cut], x[cut:], y[cut:])


def spec(
    layers: Layers, loss: Any, dataset: dict[str, Any] | None = None, **training: Any
) -> Experiment:
    policy = training.pop("dtype_policy", "float32")
    settings = {"optimizer": {"type": "Adam", "learning_rate": 0.01}, "epochs": 2, "seed": 3}
    return Experiment.model_validate(
        {
            "name": "t",
            "dataset": dataset or {"name": uploaded.ID},
            "model": {"layers": layers, "dtype_policy": policy},
            "training": settings | {"loss": loss} | training,
        }
    )


def data_of(experiment: Experiment, own: tuple[Facts, Arrays] | None) -> tuple[Facts, Arrays]:
    if own is not None:
        return own
    facts = stored_facts(experiment.dataset)
    return facts, load(experiment.dataset, facts, NO_FILES)


def trained(
    experiment: Experiment, own: tuple[Facts, Arrays] | None, folder: Path
) -> tuple[Finished, list[FinishedEpoch], Recorder]:
    facts, _ = data_of(experiment, own)
    check(experiment, aimed(experiment.dataset, facts), Settings())
    if own is not None:
        np.savez(folder / "data.npz", **vars(own[1]))
    hooks = Recorder()
    end = train(
        experiment,
        facts,
        upload=(lambda: nullcontext(folder / "data.npz")) if own else None,
        data_dir=NO_FILES,
        scratch=folder,
        resume=None,
        checkpoint_seconds=0,
        hooks=hooks,
        programs=Programs(folder / "arrays"),
    )
    assert isinstance(end, Finished)
    return end, hooks.rows, hooks


def predicted(end: Finished, data: Arrays, whole: bool) -> Array:
    model = keras.saving.load_model(end.model)
    assert model.inputs[0].dtype == ("int32" if whole else "float32")
    given: Array = model.predict(data.x_test, verbose=0)
    return given


def dense(units: int, activation: str = "softmax") -> dict[str, Any]:
    return {"type": "Dense", "units": units, "activation": activation}


# Sentences that end in blanks, and a tag for each word.
WORDS = RANDOM.integers(1, 9, (100, 6)).astype(np.int32) * (
    np.arange(6) < RANDOM.integers(2, 7, (100, 1))
)
TAGGED = upload("classification", WORDS.astype(np.int32), (WORDS % 3).astype(np.int32), 3)
PICTURES = RANDOM.normal(size=(60, 6, 5, 2)).astype(np.float32)
SHIFTED = upload("regression", PICTURES, (PICTURES[..., ::-1] * 3 + 1).copy())
CUT_OUT = upload("classification", PICTURES, (PICTURES.sum(-1) > 0).astype(np.int32), 2)
SEQUENCES: Layers = [
    {"type": "LSTM", "units": 16},
    {"type": "RepeatVector", "n": 4},
    {"type": "LSTM", "units": 16, "return_sequences": True},
    dense(12),
]
TAGGER: Layers = [
    {"type": "Embedding", "input_dim": 9, "output_dim": 4, "mask_zero": True},
    {"type": "LSTM", "units": 5, "return_sequences": True},
    dense(3),
]
CONVOLUTION = {"type": "Conv2D", "filters": 2, "kernel_size": 3, "padding": "same"}
ADDITION = {"name": "addition", "samples": 300}
FILMS = {"name": "moving_squares", "samples": 30, "frames": 3, "side": 8}
PLAIN = {"type": "SGD", "learning_rate": 0.5}
# Of a row that comes twice in a batch Keras squares each gradient, and not the sum of both.
SQUARING = {"type": "Adam", "learning_rate": 0.01}
Case_ = tuple[Experiment, tuple[Facts, Arrays] | None]
RUNS: dict[str, Case_] = {
    "digits one by one": (spec(SEQUENCES, "categorical_crossentropy", ADDITION), None),
    "digits as class numbers": (
        spec(
            [{"type": "Embedding", "input_dim": 12, "output_dim": 6}, *SEQUENCES],
            "sparse_categorical_crossentropy",
            {**ADDITION, "encoding": "ids"},
            optimizer=SQUARING,
        ),
        None,
    ),
    "tags, masked": (spec(TAGGER, "sparse_categorical_crossentropy", optimizer=PLAIN), TAGGED),
    "tags, RMSprop": (
        spec(TAGGER, "sparse_categorical_crossentropy", optimizer={"type": "RMSprop"}), TAGGED
    ),
    "tags, bfloat16": (
        spec(
            TAGGER, "categorical_crossentropy", dtype_policy="mixed_bfloat16", optimizer=PLAIN
        ),
        TAGGED,
    ),
    "a picture from a picture": (spec([CONVOLUTION], "mse"), SHIFTED),
    "yes or no at each place": (
        spec([{**CONVOLUTION, "filters": 1, "activation": "sigmoid"}], "binary_crossentropy"),
        CUT_OUT,
    ),
    "the next picture of a film": (
        spec(
            [
                {
                    "type": "ConvLSTM2D", "filters": 2, "kernel_size": 3, "padding": "same",
                    "return_sequences": True,
                },
                {
                    "type": "Conv3D", "filters": 1, "kernel_size": 3, "padding": "same",
                    "activation": "sigmoid",
                },
            ],
            "binary_crossentropy",
            FILMS,
        ),
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_every_epoch_is_that_of_model_fit(name: str, tmp_path: Path) -> None:
    """So are the final figures what NumPy and scikit-learn find; and it can be diagnosed."""
    experiment, own = RUNS[name]
    facts, arrays = data_of(experiment, own)
    end, rows, hooks = trained(experiment, own, tmp_path)
    data = prepare(experiment, facts, arrays)
    near = 2e-2 if "16" in name else 2e-4
    for row, told in zip(rows, keras_history(experiment, facts, data), strict=True):
        ours = {metric: row.metrics[metric] for metric in told}
        assert ours == pytest.approx(told, rel=near, abs=1e-5)
    given, y = predicted(end, arrays, data.whole), arrays.y_test
    if facts.classes is None:
        found = r2_score(y.ravel(), given.ravel())
        assert end.metrics["test_r2"] == pytest.approx(found, rel=1e-3)
        assert (end.confusion_matrix, end.class_counts) == (None, [])
    else:
        said = given[..., 0] > 0.5 if given.shape[-1] == 1 else given.argmax(-1)
        seen = arrays.x_test > 0 if "tags" in name else np.ones_like(y, bool)
        y, said = y[seen], said[seen]
        expected = confusion_matrix(y, said, labels=range(facts.classes))
        if "16" not in name:  # two graphs round otherwise
            assert end.confusion_matrix == expected.tolist()
            assert end.metrics["test_accuracy"] == pytest.approx(float((said == y).mean()))
        assert end.class_counts == np.bincount(y, minlength=facts.classes).tolist()
    assert diagnose(case_of(experiment, facts, end, rows, hooks)).verdict


def case_of(
    experiment: Experiment,
    facts: Facts,
    end: Finished,
    rows: list[FinishedEpoch],
    hooks: Recorder,
) -> Case:
    return Case(
        spec=described(experiment),
        facts=asdict(facts),
        curve={name: [row.metrics[name] for row in rows] for name in rows[0].metrics},
        metrics=end.metrics,
        reason=end.reason,
        class_counts=end.class_counts,
        signals=gathered(hooks.signals),
    )


def test_the_probe_sees_the_loss_that_is_trained_on(tmp_path: Path) -> None:
    """All examples in one batch: the probe of 80 rows is this batch."""
    for name in ("tags, masked", "a picture from a picture", "digits one by one"):
        experiment, own = RUNS[name]
        training = experiment.training.model_copy(update={"batch_size": 1000, "epochs": 1})
        experiment = experiment.model_copy(update={"training": training})
        experiment = experiment.model_copy(
            update={"dataset": experiment.dataset.model_copy(update={"limit": 40})}
        )
        folder = tmp_path / name
        folder.mkdir()
        _, rows, hooks = trained(experiment, own, folder)
        first = gathered(hooks.signals).moments[0]
        assert first.loss == pytest.approx(rows[0].metrics["loss"], rel=1e-4)


@pytest.mark.parametrize(
    ("first", "policy"), [(256, "mixed_bfloat16"), (2048, "mixed_float16"), (2**24, "float32")]
)
def test_neighbouring_numbers_have_rows_of_their_own(
    first: int, policy: str, tmp_path: Path
) -> None:
    """Which of two neighbours it is cannot be told from a float that has not both."""
    x = (first + RANDOM.permutation(240) % 8).astype(np.int32)[:, None]
    own = upload("classification", x, (x[:, 0] % 2).astype(np.int32), 2)
    layers: Layers = [
        {"type": "Embedding", "input_dim": first + 8, "output_dim": 1},
        {"type": "Flatten"},
        dense(2),
    ]
    sgd = {"type": "SGD", "learning_rate": 3.0}
    experiment = spec(
        layers, "sparse_categorical_crossentropy", dtype_policy=policy, optimizer=sgd, epochs=20
    ).model_copy(update={"signals": "off"})
    own = replace(own[0], label_shape=()), own[1]
    end, _, _ = trained(experiment, own, tmp_path)
    assert end.metrics["test_accuracy"] == 1


def test_an_examples_weight_is_that_of_all_its_places(tmp_path: Path) -> None:
    facts, arrays = SHIFTED
    weights = RANDOM.uniform(0, 3, len(arrays.x_train)).astype(np.float32)
    own = replace(facts, weighted=True), replace(arrays, w_train=weights)
    still = {"type": "SGD", "learning_rate": 1e-12}
    end, rows, _ = trained(
        spec([CONVOLUTION], "mse", optimizer=still, batch_size=100, epochs=1), own, tmp_path
    )
    given = keras.saving.load_model(end.model).predict(arrays.x_train, verbose=0)
    losses = np.square(given - arrays.y_train).mean(axis=(1, 2, 3))
    assert rows[0].metrics["loss"] == pytest.approx(float((losses * weights).mean()), rel=1e-5)
