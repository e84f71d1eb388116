"""Learning curves as lines of a chart."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from contract.experiment.measured import ALWAYS, COLUMNS
from contract.store.numbers import Number, decode

Format = Literal["png", "svg"]

Columns = Mapping[str, Sequence[Number]]

# Okabe and Ito's colours, which the colour-blind can tell apart too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

_LABEL_LENGTH = 40
# Panels beside those of the loss and of the score.
_MOST_MORE = 8

# Far above what float32 holds, and far enough below what overflows in the layout of an axis.
_LIMIT = 1e100


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
        """Without the NaNs."""
        return [value for value in self.values if not math.isnan(value)]

    @property
    def first_gap(self) -> int | None:
        """The first epoch without a finite value."""
        gaps = (epoch for epoch, value in enumerate(self.values, 1) if math.isnan(value))
        return next(gaps, None)


def asked_for(runs: Sequence[Run]) -> list[str]:
    """The first metrics of the runs that not every run of their task has."""
    names = dict.fromkeys(name.removeprefix("val_") for run in runs for name in run.columns)
    return [name for name in names if name not in ALWAYS and name not in COLUMNS][:_MOST_MORE]


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
