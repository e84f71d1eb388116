"""Learning curves as a picture: the loss on the left, accuracy (or R2) on the right."""

import math
import os
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from contract.numbers import Number, decode
from contract.settings import read_settings

Format = Literal["png", "svg"]
Columns = Mapping[str, Sequence[Number]]

# Okabe and Ito's colours, which the colour-blind can tell apart too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# In the order of preference.
_SCORES = {"accuracy": "accuracy", "r2": "R²", "mae": "mean absolute error"}
_LABEL_LENGTH = 40
# Far above what float32 holds, and far enough below what overflows in the layout of an axis.
_LIMIT = 1e100
# matplotlib's font cache and text parser are shared by all threads.
_drawing = threading.Lock()


@dataclass(frozen=True)
class Run:
    """A job's `columns` as GET curves has them; `chance` is the accuracy of a blind guess."""

    label: str
    columns: Columns
    chance: float | None = None


@dataclass(frozen=True)
class Line:
    """One value an epoch, from epoch 1; NaN stands for all that is not finite."""

    label: str
    colour: str
    values: list[float]

    @property
    def finite(self) -> list[float]:
        return [value for value in self.values if not math.isnan(value)]

    @property
    def first_gap(self) -> int | None:
        """The first epoch without a finite value."""
        gaps = (epoch for epoch, value in enumerate(self.values, 1) if math.isnan(value))
        return next(gaps, None)


def draw(runs: Sequence[Run], format_: Format, *, title: str = "") -> bytes:
    """A picture of one run, training and validation, or of several, by their validation."""
    # Loaded with the first picture only: matplotlib takes 30 MB and half a second.
    os.environ.setdefault("MPLCONFIGDIR", str(read_settings().var_dir / "matplotlib"))
    from api import panels

    score = next((name for name in _SCORES if lines(runs, name)), "accuracy")
    levels = {run.chance for run in runs} if score == "accuracy" else set()
    with _drawing, warnings.catch_warnings():
        # Names may hold characters that the font lacks; they are drawn as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        figure = panels.figure(_printable(title))
        left, right = figure.subplots(1, 2)
        panels.loss(left, lines(runs, "loss"))
        panels.score(right, _SCORES[score], lines(runs, score))
        if len(levels) == 1 and right.has_data():
            panels.chance(right, levels.pop())
        panels.legend(figure, right)
        return panels.picture(figure, format_)


def lines(runs: Sequence[Run], metric: str) -> list[Line]:
    """The curves of one panel; a run keeps its colour in both panels."""
    if len(runs) == 1:
        named = (("training", metric), ("validation", f"val_{metric}"))
        found = [(label, runs[0].columns.get(name)) for label, name in named]
    else:
        found = [
            (
                _printable(run.label)[:_LABEL_LENGTH],
                run.columns.get(f"val_{metric}", run.columns.get(metric)),
            )
            for run in runs
        ]
    return [
        Line(label, COLOURS[number % len(COLOURS)], _floats(values))
        for number, (label, values) in enumerate(found)
        if values is not None
    ]


def _floats(values: Sequence[Number]) -> list[float]:
    floats = (decode(value) for value in values)
    return [
        math.nan if x is None or not math.isfinite(x) else max(-_LIMIT, min(_LIMIT, x))
        for x in floats
    ]


def _printable(text: str) -> str:
    """Names come from users: control characters have no glyph, and no place in XML."""
    return "".join(c if c.isprintable() else "?" for c in text)
