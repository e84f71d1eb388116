"""Pictures of curves that are odd: empty, short, not finite, hard to name."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

import pytest

from api.results.charts import draw
from api.results.curve_lines import Run
from contract.store.numbers import Number

Columns = Mapping[str, Sequence[Number]]
GOOD: Columns = {"epoch": [1, 2], "loss": [2.0, 1.0], "accuracy": [0.5, 0.6]}
VALIDATED: Columns = {**GOOD, "val_loss": [2.0, 1.5], "val_accuracy": [0.4, 0.5]}
NAN: Columns = {"epoch": [1, 2], "loss": ["NaN", "Infinity"], "accuracy": [0.1, 0.1]}
EMPTY: Columns = {"epoch": [], "learning_rate": [], "seconds": []}
ODD: dict[str, Columns] = {
    "good": GOOD,
    "validated": VALIDATED,
    "nan": NAN,
    "empty": EMPTY,
    "one epoch": {"epoch": [1], "loss": [0.0], "accuracy": [0.0]},
    "regression": {"epoch": [1, 2], "loss": [9e4, 3.0], "mae": [1e3, 1.0], "r2": [-500.0, 0.5]},
    "negative": {"epoch": [1, 2], "loss": [-1.0, -300.0], "mae": [1.0, 2.0]},
    "huge": {"epoch": [1, 2, 3], "loss": [1e-300, 1e300, 1.0], "r2": [-1e300, 0, 1]},
    "gap": {"epoch": [1, 2, 3], "loss": [1.0, "NaN", 2.0], "accuracy": [0.1, None, 0.1]},
}


def words(runs: Sequence[Run], title: str = "") -> set[str]:
    """The texts of the picture, which the SVG keeps beside their outlines."""
    svg = draw(runs, "svg", title=title).decode()
    ET.fromstring(svg)
    return set(re.findall(r"<!-- (.*?) -->", svg))


@pytest.mark.parametrize("kind", ODD)
def test_any_curve_can_be_drawn(kind: str) -> None:
    one = Run("one", ODD[kind], chance=0.1)
    assert draw([one], "png").startswith(b"\x89PNG")
    assert draw([one, Run("two", VALIDATED)], "png").startswith(b"\x89PNG")
    assert {"loss", "epoch"} <= words([one])


def test_a_run_shows_training_validation_and_chance() -> None:
    told = words([Run("a", VALIDATED, chance=0.25)], "the title")
    assert {"the title", "training", "validation", "accuracy", "chance 0.25"} <= told


def test_what_was_asked_for_has_panels_of_its_own() -> None:
    asked: Columns = {
        **VALIDATED, "cosine_similarity": [-0.5, 0.1], "val_auc": [0.5, 0.9],
        "true_positives": [1.0, "NaN"], "learning_rate": [0.1, 0.1], "seconds": [1.0, 1.0],
    }  # fmt: skip
    told = words([Run("a", asked)])
    assert {"loss", "accuracy", "cosine_similarity", "auc", "true_positives"} <= told
    assert not {"learning_rate", "seconds", "val_auc"} & told
    one, several = (len(draw([Run("a", each)], "svg")) for each in (VALIDATED, asked))
    assert several > one
    many = {f"f1_score_{place}": [0.0, 0.5] for place in range(20)}
    shown = words([Run("a", {**VALIDATED, **many}), Run("b", VALIDATED)])
    assert [f"f1_score_{place}" in shown for place in (0, 7, 8)] == [True, True, False]


def test_several_runs_are_told_apart_by_name() -> None:
    told = words([Run("a", VALIDATED, chance=0.1), Run("b", GOOD, chance=0.5)])
    assert {"a", "b"} <= told
    assert not {"training", "validation"} & told
    assert not any(word.startswith("chance") for word in told), "two levels make no line"


def test_what_is_not_finite_is_said() -> None:
    assert "not a finite number from epoch 1 on" in words([Run("a", NAN)])
    assert "no epoch finished yet" in words([Run("a", EMPTY)])


def test_names_cannot_break_the_picture() -> None:
    name = '<a> & "b" --> $x_{ ]]> \N{SNOWMAN} \u5b66 \x00\x07\n\u202e\ud800'
    words([Run(name, GOOD), Run(name, VALIDATED)], title=name)
    assert draw([Run(name, GOOD), Run(name, GOOD)], "png", title=name)


def test_the_same_curve_is_the_same_picture() -> None:
    runs = [Run("a", VALIDATED)]
    assert draw(runs, "png") == draw(runs, "png")
    assert draw(runs, "svg") == draw(runs, "svg")
