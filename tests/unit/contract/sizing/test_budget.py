"""What is refused before it is stored: over the budget, or valid and yet impossible."""

import time
from dataclasses import replace
from typing import Any, get_args

import pytest

from contract.errors import SpecRefused
from contract.experiment.datasets import CATALOGUE, Dataset, Facts, facts_for, facts_of
from contract.experiment.losses import LOSSES, LossName
from contract.experiment.spec import Experiment
from contract.settings import Settings
from contract.sizing.cost import Cost, cost
from contract.sizing.limits import check

FLATTEN: dict[str, Any] = {"type": "Flatten"}
IMAGE: dict[str, Any] = {"type": "Reshape", "target_shape": [28, 28, 1]}
REGRESSION = {"name": "diabetes"}
VECTORS, LABELLED, PAIRS = (f"ds_{number:026}" for number in range(3))
# Eight numbers an example: three classes, five labels, two targets.
UPLOADS = {
    VECTORS: Facts("classification", (8,), 3, 200, 50, (0.0, 1.0), 4, "upload", ""),
    LABELLED: Facts("multi_label", (8,), None, 200, 50, (0.0, 1.0), 4, "upload", "", targets=5),
    PAIRS: Facts("regression", (8,), None, 200, 50, (0.0, 1.0), 4, "upload", "", targets=2),
}


def dense(units: int) -> dict[str, Any]:
    return {"type": "Dense", "units": units}


def lookup(rows: int) -> dict[str, Any]:
    return {"type": "Embedding", "input_dim": rows, "output_dim": 2}


def mlp(*units: int, **changes: Any) -> Experiment:
    """digits, 1437 training examples of 28x28, through Dense layers; `changes` go to training."""
    return experiment([FLATTEN, *map(dense, units)], **changes)


def experiment(
    layers: list[dict[str, Any]], dataset: dict[str, Any] | None = None, **changes: Any
) -> Experiment:
    training: dict[str, Any] = {
        "optimizer": {"type": "SGD"},
        "loss": "categorical_crossentropy",
        "batch_size": 100,
        "epochs": 15,
    }
    return Experiment.model_validate(
        {
            "name": "test",
            "dataset": dataset or {"name": "digits"},
            "model": {"layers": layers},
            "training": training | changes,
        }
    )


# Two for each multiply-add, one for each bias; three passes; 15 epochs of 1437 examples.
FLOPS = 3 * (2 * 784 * 10 + 10) * 1437 * 15
# Valid, small in memory, and 32 years of work for two cores.
YEARS = experiment(
    [
        {"type": "Conv2D", "filters": 512, "kernel_size": 27, "padding": "same"},
        {"type": "Conv2D", "filters": 128, "kernel_size": 25, "padding": "same"},
        {"type": "GlobalAveragePooling2D"},
        dense(10),
    ],
    {"name": "cifar10"},
    batch_size=1,
    epochs=10_000,
)


def refused(spec: Experiment, **limits: int) -> SpecRefused:
    with pytest.raises(SpecRefused) as caught:
        accepted(spec, **limits)
    return caught.value


def accepted(spec: Experiment, **limits: int) -> Cost:
    facts = UPLOADS.get(spec.dataset.name) or facts_for(spec.dataset)
    return check(spec, facts, Settings.model_validate(limits))


def test_the_cost_of_an_mlp() -> None:
    found = accepted(mlp(100, 10))
    assert found.parameters == found.trainable_parameters == 79_510
    assert found.output_shape == (10,)
    assert found.steps_per_epoch == 15
    assert found.flops_per_example == 2 * (784 * 100 + 100 * 10) + 100 + 10
    assert found.flops_total == 3 * found.flops_per_example * 1437 * 15
    assert len(found.layers) == 3


def test_memory_is_the_sum_of_the_formula() -> None:
    memory = accepted(mlp(100, 10)).memory
    assert memory.weights == 4 * 2 * 79_510
    assert memory.activations == 4 * 2 * 110 * 100
    assert memory.dataset == 1797 * (2 * 784 + 4 * 10)
    assert accepted(mlp(100, 10)).memory_bytes == memory.total


@pytest.mark.parametrize(
    ("optimizer", "copies"),
    [
        ({"type": "SGD"}, 2),
        ({"type": "SGD", "momentum": 0.9}, 3),
        ({"type": "RMSprop"}, 4),
        ({"type": "RMSprop", "momentum": 0.9, "centered": True}, 5),
        ({"type": "Adam"}, 4),
        ({"type": "Adam", "amsgrad": True}, 5),
        ({"type": "AdamW"}, 4),
        ({"type": "Nadam"}, 4),
        ({"type": "Adagrad"}, 3),
    ],
)
def test_an_optimizer_keeps_its_slots(optimizer: dict[str, Any], copies: int) -> None:
    facts = CATALOGUE["digits"]
    assert cost(mlp(10, optimizer=optimizer), facts).memory.weights == 4 * copies * 7850


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_halves_activations_and_adds_a_copy_of_the_weights(policy: str) -> None:
    whole = mlp(100, 10)
    mixed = whole.model_copy(
        update={"model": whole.model.model_copy(update={"dtype_policy": policy})}
    )
    memory = accepted(mixed).memory
    assert memory.weights == (4 * 2 + 2) * 79_510
    assert memory.activations == 2 * 2 * 110 * 100
    assert memory.dataset == accepted(whole).memory.dataset


def test_a_batch_larger_than_the_training_part_is_one_batch() -> None:
    found = accepted(mlp(10, batch_size=10**12))
    assert found.steps_per_epoch == 1
    assert found.memory.activations == 4 * 2 * 10 * 1437


def test_the_split_is_taken_off_the_training_part() -> None:
    split = {"on": "split", "fraction": 0.1}
    assert accepted(mlp(10, batch_size=1, validation=split)).steps_per_epoch == 1293
    assert accepted(mlp(10, batch_size=1)).steps_per_epoch == 1437


def test_a_limit_is_at_most() -> None:
    layers = [FLATTEN, dense(10)]
    few = accepted(experiment(layers, {"name": "digits", "limit": 250}))
    assert few.steps_per_epoch == 3
    assert accepted(experiment(layers, {"name": "digits", "limit": 10**6})).steps_per_epoch == 15


@pytest.mark.parametrize(
    ("spec", "limits", "pointer", "said"),
    [
        (mlp(1, 10), {"max_layers": 2}, "/model/layers", "received 3"),
        (mlp(10), {"max_epochs": 14}, "/training/epochs", "received 15"),
        (mlp(10), {"max_examples": 15 * 1437 - 1}, "/training/epochs", "21,555"),
        (mlp(100, 10), {"max_parameters": 79_509}, "/model/layers/1/units", "79,510"),
        (mlp(10**12, 10), {}, "/model/layers/1/units", "795,000,000,000,010"),
        (mlp(10), {"max_memory_bytes": 2_000_000}, "/dataset", "2,000,000"),
        (mlp(9000, 10), {"max_memory_bytes": 6 * 10**7}, "/model/layers/1/units", "weights"),
        (
            experiment(
                [
                    {"type": "ZeroPadding2D", "padding": 10**6},
                    {"type": "GlobalAveragePooling2D"},
                    dense(10),
                ],
                {"name": "cifar10"},
            ),
            {},
            "/model/layers/0",
            "batch in flight",
        ),
        (
            experiment(
                [
                    IMAGE,
                    {"type": "Conv2D", "filters": 64, "kernel_size": 3},
                    FLATTEN,
                    dense(10),
                ],
                batch_size=1000,
            ),
            {"max_memory_bytes": 10**8},
            "/training/batch_size",
            "batch in flight",
        ),
        (mlp(10), {"max_flops": FLOPS - 1}, "/training/epochs", "take fewer epochs"),
        (mlp(10), {"max_flops": FLOPS / 15 - 1}, "/model/layers/1/units", "are 1.01e+09"),
        (YEARS, {}, "/training/epochs", "1e+18 FLOPs"),
        (mlp(10, max_seconds=86_400.5), {}, "/training/max_seconds", "86400 s here"),
    ],
)  # fmt: skip
def test_over_the_budget(spec: Experiment, limits: dict[str, int], pointer: str, said: str) -> None:
    error = refused(spec, **limits)
    assert error.pointer == pointer
    assert said in error.detail


@pytest.mark.parametrize(
    "limits",
    [
        {"max_layers": 3},
        {"max_epochs": 15},
        {"max_examples": 15 * 1437},
        {"max_parameters": 79_510},
        {"max_flops": 3 * (2 * (784 * 100 + 100 * 10) + 110) * 1437 * 15},
        {"max_memory_bytes": 4 * 2 * 79_510 + 4 * 2 * 110 * 100 + 1797 * (2 * 784 + 40)},
    ],
)
def test_the_budget_itself_is_within_the_budget(limits: dict[str, int]) -> None:
    accepted(mlp(100, 10), **limits)


@pytest.mark.parametrize(
    ("spec", "pointer", "said"),
    [
        (
            experiment([dense(10)], {"name": "mnist", "noise": 0.1}),
            "/dataset/noise",
            "mnist is fixed",
        ),
        (
            experiment([dense(10)], {"name": "addition", "noise": 0.1}),
            "/dataset/noise",
            "addition has samples, seed, digits, encoding",
        ),
        (
            experiment([dense(12)], {"name": "addition", "digits": 2}),
            "/dataset/samples",
            "5,050 questions",
        ),
        (
            experiment([dense(12)], {"name": "addition"}),
            "/model/layers/0",
            "a class at each place of (4,): the model's output must have shape (4, 12), and has (7",
        ),
        (
            experiment(
                [{"type": "Reshape", "target_shape": [4, 21]}, dense(11)], {"name": "addition"}
            ),
            "/model/layers/1",
            "12 output unit(s)",
        ),
        (
            experiment([dense(2)], {"name": "imdb", "encoding": "one_hot"}),
            "/dataset/encoding",
            "imdb is encoded as ids or multi_hot",
        ),
        (
            experiment([dense(2)], {"name": "imdb", "encoding": "multi_hot", "maxlen": 9}),
            "/dataset/maxlen",
            "belongs to ids",
        ),
        (
            experiment([FLATTEN, dense(3200)], {"name": "moving_squares"}, loss="mse"),
            "/model/layers/1",
            "a number at each place of (8, 20, 20, 1)",
        ),
        (
            experiment(
                [{"type": "Reshape", "target_shape": [4, 21]}, dense(12)],
                {"name": "addition"},
                class_weight="balanced",
            ),
            "/training/class_weight",
            "one at each place",
        ),
        (
            experiment([FLATTEN, lookup(255), dense(4), FLATTEN, dense(10)]),
            "/model/layers/1/input_dim",
            "a row for each of 0 to 254, and the inputs of digits are 0 to 255: take 256",
        ),
        (
            experiment([dense(3)], {"name": VECTORS, "samples": 30, "seed": 1}),
            "/dataset/samples",
            "samples belongs to circles, moons, blobs, addition",
        ),
        (
            experiment([dense(3)], {"name": "iris", "target_scaling": "standard"}),
            "/dataset/target_scaling",
            "target_scaling belongs to regression; iris has classes: leave it out",
        ),
        (
            experiment([dense(5)], {"name": LABELLED, "target_scaling": "standard"}),
            "/dataset/target_scaling",
            "has labels of 0 and 1",
        ),
        (mlp(9), "/model/layers/1", "10"),
        (experiment([dense(4)], {"name": VECTORS}), "/model/layers/0", "needs 3 output unit(s)"),
        (experiment([dense(1)], {"name": LABELLED}), "/model/layers/0", "needs 5 output unit(s)"),
        (
            experiment([dense(5)], {"name": LABELLED}, loss="sparse_categorical_crossentropy"),
            "/training/loss",
            "is multi_label: use binary_crossentropy",
        ),
        (experiment([dense(1)], {"name": PAIRS}, loss="mse"), "/model/layers/0", "to 2"),
        (experiment([dense(10)]), "/model/layers/0", "add Flatten"),
        (experiment([FLATTEN]), "/model/layers", "nothing to train"),
        (mlp(9, loss="sparse_categorical_crossentropy"), "/model/layers/1", "10"),
        (mlp(1, loss="sparse_categorical_crossentropy"), "/model/layers/1", "10"),
        (
            experiment([dense(1)], REGRESSION, loss="sparse_categorical_crossentropy"),
            "/training/loss",
            "mean_squared_error",
        ),
        (
            experiment([{"type": "Conv2D", "filters": 1, "kernel_size": 2}]),
            "/model/layers/0",
            "Reshape",
        ),
        (
            experiment([IMAGE, {"type": "MaxPooling2D"}, FLATTEN, dense(10)], jit_compile=True),
            "/training/jit_compile",
            "max pooling (layer 1)",
        ),
        (
            experiment(
                [
                    {"type": "Reshape", "target_shape": [2, 14, 28, 1]},
                    {"type": "TimeDistributed", "layer": {"type": "MaxPooling2D"}},
                    FLATTEN,
                    dense(10),
                ],
                jit_compile=True,
            ),
            "/training/jit_compile",
            "max pooling (layer 1)",
        ),
        (
            mlp(10, validation={"on": "split", "fraction": 0.9999}),
            "/training/validation/fraction",
            "leaves 0 for training",
        ),
        (
            mlp(10, validation={"on": "split", "fraction": 1e-300}),
            "/training/validation/fraction",
            "0 for validation",
        ),
    ],
)
def test_what_cannot_be_trained(spec: Experiment, pointer: str, said: str) -> None:
    error = refused(spec)
    assert error.pointer == pointer
    assert said in error.detail


@pytest.mark.parametrize("loss", ["mse", "binary_crossentropy", "categorical_crossentropy"])
def test_one_output_takes_any_labels_as_keras_does(loss: str) -> None:
    accepted(mlp(1, loss=loss))


@pytest.mark.parametrize("loss", get_args(LossName))
def test_several_numbers_an_example_take_any_loss_that_needs_no_classes(loss: str) -> None:
    for name, facts in UPLOADS.items():
        spec = experiment([dense(facts.output_shape[-1])], {"name": name}, loss=loss)
        if LOSSES[loss].takes_class_numbers and name != VECTORS:
            assert refused(spec).pointer == "/training/loss"
        else:
            accepted(spec)


def test_numbers_that_an_embedding_has_rows_for() -> None:
    """What is scaled, computed with first, or unknown, is not judged before it is trained."""
    rest = [dense(4), FLATTEN, dense(10)]
    accepted(experiment([FLATTEN, lookup(256), *rest]))
    accepted(experiment([FLATTEN, lookup(25), *rest], {"name": "digits", "scaling": "unit"}))
    accepted(experiment([FLATTEN, {"type": "Rescaling", "scale": 0.1}, lookup(26), *rest]))
    accepted(experiment([lookup(2), *rest[:-1], dense(3)], {"name": VECTORS}))
    below = replace(UPLOADS[VECTORS], whole_range=(-1, 7))
    with pytest.raises(SpecRefused, match="-1 to 7: add the same") as error:
        check(experiment([lookup(8), *rest[:-1], dense(3)], {"name": VECTORS}), below, Settings())
    assert error.value.pointer == "/model/layers/0/input_dim"


def test_the_options_of_a_set_make_its_facts() -> None:
    """The catalogue's are those without any; ranks and sizes of labels follow the inputs'."""
    for name in CATALOGUE:
        assert facts_for(Dataset.model_validate({"name": name})) == CATALOGUE[name]
    long = {"name": "addition", "digits": 5, "encoding": "ids"}
    sums = facts_for(Dataset.model_validate(long))
    assert (sums.shape, sums.output_shape, sums.whole_range) == ((11,), (6, 12), (0, 11))
    film = facts_for(Dataset.model_validate({"name": "moving_squares", "frames": 15, "side": 40}))
    assert film.shape == film.output_shape == (15, 40, 40, 1)
    sequence = [lookup(12), {"type": "LSTM", "units": 3}, {"type": "RepeatVector", "n": 6}]
    spec = experiment([*sequence, dense(12)], {**long, "samples": 100})
    found = check(spec, sums, Settings())
    # What is generated is there twice while it is cut.
    assert found.memory.dataset == 100 * 2 * (11 + 4 * 6 * 12)


def test_texts_are_as_long_as_is_said() -> None:
    def facts(**options: Any) -> Facts:
        return facts_for(Dataset.model_validate({"name": "imdb", **options}))

    assert (facts(maxlen=80).shape, facts(maxlen=80).whole_range) == ((80,), (0, 19_999))
    assert facts(num_words=500).whole_range == (0, 499)
    many = facts(num_words=500, encoding="multi_hot")
    assert (many.shape, many.dtype, many.value_range) == ((500,), "uint8", (0, 1))


def test_targets_are_scaled_where_there_are_any() -> None:
    accepted(experiment([dense(2)], {"name": PAIRS, "target_scaling": "standard"}, loss="mse"))


def test_an_upload_costs_what_its_facts_say() -> None:
    found = accepted(experiment([dense(5)], {"name": LABELLED, "limit": 150}))
    assert found.steps_per_epoch == 2
    assert found.memory.dataset == 4 * (8 * (250 + 200) + 5 * 200)


def test_sparse_labels_need_no_more_than_enough_outputs() -> None:
    accepted(mlp(11, loss="sparse_categorical_crossentropy"))


@pytest.mark.parametrize(
    ("dataset", "on", "monitor", "measured"),
    [
        ("iris", "test", "val_accuracy", True),
        ("iris", "split", "val_loss", True),
        ("iris", "none", "accuracy", True),
        ("iris", "none", "val_loss", False),
        ("iris", "test", "mae", False),
        ("iris", "test", "val_mae", False),
        ("diabetes", "test", "val_mae", True),
        ("diabetes", "none", "loss", True),
        ("diabetes", "test", "accuracy", False),
        ("diabetes", "none", "val_mae", False),
        (LABELLED, "test", "val_accuracy", True),
        (LABELLED, "test", "val_mae", False),
        (PAIRS, "test", "val_mae", True),
        (PAIRS, "test", "val_accuracy", False),
    ],
)
@pytest.mark.parametrize("callback", ["early_stopping", "reduce_lr_on_plateau", "model_checkpoint"])
def test_callbacks_monitor_what_is_measured(
    callback: str, dataset: str, on: str, monitor: str, measured: bool
) -> None:
    outputs = (UPLOADS.get(dataset) or facts_of(dataset)).output_shape[-1]
    stopping = {"validation": {"on": on}, callback: {"monitor": monitor}}
    spec = experiment([dense(outputs)], {"name": dataset}, loss="mse", **stopping)
    if measured:
        accepted(spec)
    else:
        error = refused(spec)
        assert error.pointer == f"/training/{callback}/monitor"
        assert error.detail.startswith(f"{monitor} is not measured")
        assert "expected one of loss, " in error.detail


def test_a_schedule_leaves_no_learning_rate_to_reduce() -> None:
    """Keras raises when it first would."""
    falling = {"type": "ExponentialDecay", "initial_learning_rate": 0.1}
    schedule = {**falling, "decay_steps": 10, "decay_rate": 0.9}
    for rate, is_refused in ((schedule, True), (0.1, False), (1, False)):
        told = {"optimizer": {"type": "SGD", "learning_rate": rate}, "reduce_lr_on_plateau": {}}
        spec = experiment([dense(3)], {"name": "iris"}, **told)
        if is_refused:
            error = refused(spec)
            assert error.pointer == "/training/reduce_lr_on_plateau"
            assert "a schedule, ExponentialDecay" in error.detail
        else:
            accepted(spec)


def test_a_hundred_layers_are_checked_in_a_moment() -> None:
    convolution = {"type": "Conv2D", "filters": 8, "kernel_size": 3, "padding": "same"}
    layers: list[dict[str, Any]] = [
        IMAGE,
        *[convolution] * 97,
        FLATTEN,
        dense(10),
    ]
    spec = experiment(layers)
    start = time.perf_counter()
    accepted(spec)
    assert time.perf_counter() - start < 0.5  # some 5 ms on one core of the reference machine


def test_a_loss_over_a_whole_batch_weighs_no_example() -> None:
    def dice(axis: int | None) -> Experiment:
        loss = {"type": "Dice", "axis": axis}
        return mlp(10, loss=loss, class_weight="balanced")

    assert refused(dice(None)).pointer == "/training/loss"
    assert "set its axis to 1, or leave class_weight out" in refused(dice(0)).detail
    accepted(dice(1))


def test_a_loss_is_scaled_once() -> None:
    scaled = mlp(10, optimizer={"type": "Adam", "loss_scale_factor": 8.0})
    accepted(scaled)
    model = scaled.model.model_copy(update={"dtype_policy": "mixed_float16"})
    both = scaled.model_copy(update={"model": model})
    assert refused(both).pointer == "/training/optimizer/loss_scale_factor"


def test_averages_and_accumulated_gradients_take_memory() -> None:
    plain, kept = (
        accepted(mlp(10, optimizer={"type": "SGD", **more})).memory.weights
        for more in ({}, {"use_ema": True, "gradient_accumulation_steps": 4})
    )
    assert kept == 2 * plain


def test_pictures_are_augmented() -> None:
    flip = {"type": "RandomFlip"}
    accepted(experiment([IMAGE, flip, FLATTEN, dense(10)]))
    turn = {"type": "RandomRotation", "factor": 0.1}
    compiled = experiment([IMAGE, turn, FLATTEN, dense(10)], jit_compile=True)
    assert refused(compiled).pointer == "/training/jit_compile"
    flat = refused(experiment([FLATTEN, flip, dense(10)]))
    assert flat.pointer == "/model/layers/1"
    assert "expects an image of shape (height, width, channels)" in flat.detail
