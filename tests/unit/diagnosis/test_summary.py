"""A curve's summary: real runs, the limits between the verdicts, and any input at all."""

import json
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnosis.run.chance import chance_level, label_chance_level
from diagnosis.run.curve import Summary, summarise
from diagnosis.run.series import best, first_non_finite, still_falling

MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
NAN = math.nan
NUMBERS = st.none() | st.floats() | st.sampled_from([0.0, 1.0, 1e308, -1e308, 5e-324])
SERIES = st.lists(NUMBERS, max_size=12)
NAMES = st.sampled_from(["loss", "accuracy", "r2", "mae", "val_loss", "val_accuracy", "val_r2"])
CURVES = st.dictionaries(NAMES, SERIES)
METRICS = st.dictionaries(
    st.sampled_from(["train_loss", "test_loss", "test_accuracy", "test_r2", "train_accuracy"]),
    NUMBERS,
)
COUNTS = st.lists(st.integers(-5, 10**9), max_size=5)


def classification(
    accuracy: float | None,
    curve: Mapping[str, Sequence[float | None]] | None = None,
    *,
    reason: str = "completed",
    test_examples: int = 10_000,
    classes: int = 10,
    class_counts: Sequence[int] = (),
    **metrics: float,
) -> Summary:
    return summarise(
        task="classification",
        classes=classes,
        test_examples=test_examples,
        curve={} if curve is None else curve,
        metrics={"test_accuracy": accuracy, **metrics},
        reason=reason,
        class_counts=class_counts,
    )


def regression(r2: float | None, curve: Mapping[str, Sequence[float | None]]) -> Summary:
    return summarise(
        task="regression",
        classes=None,
        test_examples=89,
        curve=curve,
        metrics={"test_r2": r2, "test_mae": 44.0},
        reason="completed",
    )


def constant(epochs: int, value: float = 0.1) -> dict[str, list[float | None]]:
    return {name: [value] * epochs for name in ("loss", "accuracy", "val_loss", "val_accuracy")}


class TestHeadline:
    def test_of_a_run_that_learned_nothing(self) -> None:
        summary = classification(0.113, constant(15), class_counts=MNIST_TEST)
        assert summary.verdict == "unhealthy"
        assert summary.headline == (
            "11.3 % on test after 15 epochs, no better than chance (11.3 %)."
        )

    def test_of_a_loss_that_broke_down(self) -> None:
        curve = {"loss": [NAN, NAN], "accuracy": [0.0987, 0.0987], "val_loss": [NAN, NAN]}
        summary = classification(0.098, curve, reason="non_finite")
        assert summary.verdict == "unhealthy"
        assert summary.headline == "The loss became NaN in epoch 1; 9.8 % on test."

    def test_of_a_run_that_still_learns(self) -> None:
        val_accuracy = [0.90, 0.91, 0.92, 0.925, 0.931, 0.936, 0.935]
        curve = {
            "loss": [0.5, 0.4, 0.35, 0.31, 0.28, 0.26, 0.24],
            "val_loss": [0.45, 0.38, 0.33, 0.30, 0.27, 0.25, 0.23],
            "val_accuracy": val_accuracy,
        }
        summary = classification(0.935, curve)
        assert summary.verdict == "undetermined"
        assert summary.headline == (
            "93.5 % on test after 7 epochs, best validation accuracy 93.6 % in epoch 6, "
            "loss still falling."
        )

    def test_of_one_epoch(self) -> None:
        summary = classification(0.5, {"loss": [1.0], "accuracy": [0.4]})
        assert summary.headline == (
            "50.0 % on test after 1 epoch, best training accuracy 40.0 % in epoch 1."
        )

    def test_of_a_run_that_was_stopped_early(self) -> None:
        summary = classification(0.9, {"loss": [1.0, 1.0]}, reason="early_stopping")
        assert summary.headline == "90.0 % on test after 2 epochs (stopped early)."

    def test_of_a_regression(self) -> None:
        curve = {"loss": [5.0, 4.0, 4.0], "val_r2": [0.1, 0.43, 0.41]}
        assert regression(0.41, curve).headline == (
            "R2 0.41 on test after 3 epochs, best validation R2 0.43 in epoch 2."
        )

    def test_of_a_regression_that_learned_nothing(self) -> None:
        summary = regression(-0.02, {"loss": [5.0]})
        assert summary.verdict == "unhealthy"
        assert summary.headline == (
            "R2 -0.02 on test after 1 epoch, no better than always answering the mean."
        )

    def test_of_nothing(self) -> None:
        summary = classification(None)
        assert summary.verdict == "undetermined"
        assert summary.headline == "No result on test after 0 epochs."


class TestNonFinite:
    @pytest.mark.parametrize(
        ("curve", "epoch", "word"),
        [
            ({"loss": [1.0, math.inf, NAN]}, 2, "infinite"),
            ({"loss": [1.0, 1.0, NAN], "val_loss": [1.0, -math.inf, NAN]}, 2, "infinite"),
            ({"loss": [1.0, NAN], "val_loss": [1.0, 1.0]}, 2, "NaN"),
        ],
    )
    def test_the_first_epoch_counts(
        self, curve: dict[str, list[float | None]], epoch: int, word: str
    ) -> None:
        summary = classification(0.9, curve)
        assert (summary.non_finite_epoch, summary.non_finite_value) == (epoch, word)
        assert summary.verdict == "unhealthy"

    def test_only_the_loss_counts(self) -> None:
        """R2 of a constant target is NaN in the best of runs."""
        summary = regression(0.5, {"loss": [1.0], "val_r2": [NAN], "r2": [0.5]})
        assert summary.non_finite_epoch is None
        assert (summary.best_value, summary.best_on) == (0.5, "training")

    def test_the_final_losses_count(self) -> None:
        summary = classification(0.9, {"loss": [1.0]}, test_loss=math.inf)
        assert summary.non_finite_epoch == 0
        assert summary.headline == "The loss of the final weights is infinite; 90.0 % on test."

    def test_the_reason_alone_is_enough(self) -> None:
        summary = classification(None, {"loss": [1.0, 0.9]}, reason="non_finite")
        assert summary.headline == "The loss became NaN in epoch 3; no result on test."


class TestChance:
    @pytest.mark.parametrize(
        ("classes", "level"),
        [(10, 0.1), (2, 0.5), (1, 1.0), (MNIST_TEST, 0.1135), ([5, 0], 1.0), ([1, 2, 1], 0.5)],
    )
    def test_level(self, classes: int | list[int], level: float) -> None:
        assert chance_level(classes) == pytest.approx(level)

    @pytest.mark.parametrize("classes", [0, -3, [], [0, 0], [-1]])
    def test_of_no_class(self, classes: int | list[int]) -> None:
        with pytest.raises(ValueError, match="at least one class"):
            chance_level(classes)

    @given(st.lists(st.integers(0, 10**6), min_size=1).filter(any))
    def test_naming_the_commonest_is_no_worse_than_guessing(self, counts: list[int]) -> None:
        assert chance_level(len(counts)) <= chance_level(counts) <= 1

    @pytest.mark.parametrize(
        ("accuracy", "test_examples", "at_chance"),
        [
            (0.0, 10_000, True),
            (0.1, 10_000, True),
            (0.105, 10_000, True),
            (0.11, 10_000, False),
            (0.12, 360, True),
            (0.15, 360, False),
            (0.42, 10_000, False),
            (0.1, 0, False),
        ],
    )
    def test_few_examples_leave_room_for_luck(
        self, accuracy: float, test_examples: int, at_chance: bool
    ) -> None:
        assert classification(accuracy, test_examples=test_examples).at_chance is at_chance

    @pytest.mark.parametrize(("accuracy", "at_chance"), [(0.75, True), (1.0, False)])
    def test_all_right_is_not_chance_however_few(self, accuracy: float, at_chance: bool) -> None:
        """Of four, guesses between two classes get all right once in 16 runs."""
        assert classification(accuracy, test_examples=4, classes=2).at_chance is at_chance

    def test_always_naming_the_commonest_class_is_chance(self) -> None:
        assert not classification(0.1135).at_chance
        assert classification(0.1135, class_counts=MNIST_TEST).at_chance

    @pytest.mark.parametrize(
        ("counts", "examples", "level"),
        [([50], 100, 0.5), ([10, 100, 0], 100, (0.9 + 1 + 1) / 3), ([30, 70], 100, 0.7)],
    )
    def test_level_of_labels(self, counts: list[int], examples: int, level: float) -> None:
        assert label_chance_level(counts, examples) == pytest.approx(level)

    @pytest.mark.parametrize(("counts", "examples"), [([], 10), ([1], 0), ([1], -1)])
    def test_of_no_label(self, counts: list[int], examples: int) -> None:
        with pytest.raises(ValueError, match="at least one label"):
            label_chance_level(counts, examples)

    @pytest.mark.parametrize(
        ("accuracy", "at_chance"), [(0.93, True), (0.9325, True), (0.945, False), (0.99, False)]
    )
    def test_always_naming_the_commoner_value_of_each_label_is_chance(
        self, accuracy: float, at_chance: bool
    ) -> None:
        """Of 500 examples with ten labels each, every label is 0 in 93 %: 5,000 answers."""
        summary = summarise(
            task="multi_label",
            classes=None,
            test_examples=500,
            curve={"loss": [0.3, 0.2], "val_accuracy": [0.93, accuracy]},
            metrics={"test_accuracy": accuracy},
            reason="completed",
            class_counts=[35] * 10,
        )
        assert summary.chance == pytest.approx(0.93)
        assert summary.at_chance is at_chance
        assert summary.metric == "accuracy"
        assert ("no better than chance (93 %)" in summary.headline) is at_chance

    def test_labels_that_nobody_counted_have_no_level(self) -> None:
        summary = summarise(
            task="multi_label",
            classes=None,
            test_examples=500,
            curve={},
            metrics={"test_accuracy": 0.5},
            reason="completed",
        )
        assert (summary.chance, summary.at_chance) == (None, False)

    def test_guessers_are_found_out(self) -> None:
        """Of 1,000 models that guess, all but a few; of models 3 times better, none."""
        luck = random.Random(0)

        def share(rate: float) -> float:
            return sum(luck.random() < rate for _ in range(360)) / 360

        guessing = [classification(share(0.1), test_examples=360) for _ in range(1000)]
        better = [classification(share(0.3), test_examples=360) for _ in range(1000)]
        assert sum(summary.at_chance for summary in guessing) > 950
        assert not any(summary.at_chance for summary in better)


class TestTrend:
    @pytest.mark.parametrize(
        ("series", "falling"),
        [
            ([], False),
            ([3.0, 2.0], False),
            ([3.0, 2.0, 1.0], True),
            ([1.0, 2.0, 3.0], False),
            ([1.0] * 10, False),
            ([5.0, 4.0, 3.0, 2.0, 1.0, 1.0, 1.0], False),
            ([1.0, 0.999, 0.998], False),
            ([1.0, 0.5, 1.0, 0.5, 1.0, 0.49], False),
            ([3.0, 2.0, NAN], False),
            ([NAN, 3.0, 2.0, 1.0], True),
            ([3.0, None, 1.0], False),
            ([-1.0, -2.0, -3.0], True),
            ([1e308, 1e308, -1e308], False),
        ],
    )
    def test_still_falling(self, series: list[float | None], falling: bool) -> None:
        assert still_falling(series) is falling

    def test_noise_around_a_level_is_no_fall(self) -> None:
        noise = random.Random(1)
        runs = [[1 + noise.gauss(0, 0.1) for _ in range(100)] for _ in range(200)]
        assert sum(map(still_falling, runs)) <= 12  # two standard errors: 2.7 % of them

    def test_a_fall_is_seen_through_noise(self) -> None:
        noise = random.Random(1)
        runs = [[2 - 0.01 * n + noise.gauss(0, 0.05) for n in range(100)] for _ in range(200)]
        assert sum(map(still_falling, runs)) > 190

    def test_best_is_the_first_of_equals(self) -> None:
        assert best([0.1, None, 0.9, NAN, 0.9, math.inf]) == (3, 0.9)
        assert best([None, NAN]) is None

    def test_first_non_finite(self) -> None:
        assert first_non_finite([1.0, None, NAN, math.inf]) == 3
        assert first_non_finite([1.0, None]) is None

    def test_gap(self) -> None:
        curve = {"accuracy": [0.5, 0.99], "val_accuracy": [0.5, 0.9]}
        assert classification(0.9, curve).gap == pytest.approx(0.09)
        assert classification(0.9, {"accuracy": [0.9]}).gap is None


@given(
    task=st.sampled_from(["classification", "multi_label", "regression"]),
    classes=st.none() | st.integers(-3, 10**12),
    test_examples=st.integers(-3, 10**12),
    curve=CURVES,
    metrics=METRICS,
    reason=st.sampled_from(["completed", "early_stopping", "non_finite", ""]),
    class_counts=COUNTS,
)
def test_any_input_has_an_answer_and_always_the_same(**given_: Any) -> None:
    summary = summarise(**given_)
    text = json.dumps(summary.to_dict(), allow_nan=False)
    assert json.dumps(summarise(**given_).to_dict(), allow_nan=False) == text
    assert summary.verdict in ("unhealthy", "undetermined")
    assert summary.headline.endswith(".")
    assert "nan" not in summary.headline
    assert not summary.headline[0].islower()


@given(curve=CURVES, metrics=METRICS)
def test_a_loss_that_is_no_number_is_never_healthy(
    curve: dict[str, list[float | None]], metrics: dict[str, float | None]
) -> None:
    curve = {**curve, "loss": [*curve.get("loss", []), NAN]}
    summary = summarise(
        task="classification",
        classes=10,
        test_examples=100,
        curve=curve,
        metrics=metrics,
        reason="completed",
    )
    assert summary.verdict == "unhealthy"
    assert summary.non_finite_epoch is not None
    assert summary.non_finite_epoch <= len(curve["loss"])
