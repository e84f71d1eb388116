"""The panels of a picture, drawn with matplotlib; `charts` imports this late."""

import io
from collections.abc import Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

from api.results.curve_lines import Format, Line

_GREY = "#666666"
# A loss that spans more than this is drawn on a logarithmic axis.
_LOG_SPAN = 50.0
# Up to this many epochs each is marked: a single one would be invisible as a line.
_MARKED_EPOCHS = 30


def figure(title: str, rows: int = 1) -> Figure:
    """An empty picture of 1100 by 484 pixels for each of its rows; an empty `title` is none."""
    made = Figure(figsize=(10, 4.4 * rows), dpi=110, layout="constrained")
    if title:
        made.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", parse_math=False)
    return made


def picture(made: Figure, format_: Format) -> bytes:
    """Without a date and with fixed ids, the same curve is the same file."""
    file = io.BytesIO()
    with rc_context({"svg.hashsalt": "plateau"}):
        made.savefig(file, format=format_, metadata={"Date": None} if format_ == "svg" else {})
    return file.getvalue()


def loss(axes: Axes, lines: Sequence[Line]) -> None:
    """Draw the losses, on a logarithmic scale where they span more than a factor of 50."""
    _panel(axes, "loss", lines)
    values = [value for line in lines for value in line.finite]
    if not values or min(values) < 0:
        return
    if min(values) > 0 and max(values) / min(values) > _LOG_SPAN:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(0, 1.05 * max(values) or 1)


def score(axes: Axes, name: str, lines: Sequence[Line]) -> None:
    """Draw the metric whose title is `name`, on the scale that is its own."""
    _panel(axes, name, lines)
    values = [value for line in lines for value in line.finite]
    if name == "accuracy":
        axes.set_ylim(0, 1.02)
    elif name == "R²":
        # It has no lower end, and below -1 it only says how bad the first epochs were.
        axes.set_ylim(max(-1.0, min(values, default=0.0)) - 0.05, 1.02)
    elif min(values, default=0.0) >= 0:
        axes.set_ylim(bottom=0)


def chance(axes: Axes, level: float | None) -> None:
    """The accuracy of a blind guess, None for regression."""
    if level is None:
        return
    axes.axhline(level, color=_GREY, linestyle="--", linewidth=1)
    at = axes.get_yaxis_transform()
    text = f"chance {level:.2g}"
    axes.text(0.99, level + 0.01, text, color=_GREY, fontsize=9, ha="right", transform=at)


def legend(made: Figure, axes: Axes) -> None:
    """One below the picture, of the lines in `axes`, where there are any."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        drawn = made.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
        for text in drawn.get_texts():
            text.set_parse_math(False)


def _panel(axes: Axes, name: str, lines: Sequence[Line]) -> None:
    epochs = max((len(line.values) for line in lines), default=0)
    axes.set_title(name, loc="left", fontsize=11)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0.5, max(epochs, 1) + 0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    marker = "o" if epochs <= _MARKED_EPOCHS else ""
    for line in lines:
        at = range(1, len(line.values) + 1)
        axes.plot(
            at, line.values, color=line.colour, label=line.label, marker=marker, markersize=3.5
        )
        if line.first_gap:
            axes.axvline(line.first_gap, color=line.colour, linestyle=":", linewidth=1.5)
    if not any(line.finite for line in lines):
        axes.set_yticks([])
    _say_what_is_missing(axes, epochs, [line.first_gap for line in lines if line.first_gap])


def _say_what_is_missing(axes: Axes, epochs: int, gaps: Sequence[int]) -> None:
    text = f"not a finite number from epoch {min(gaps)} on" if gaps else ""
    if epochs == 0:
        axes.set_xticks([])
        text = "no epoch finished yet"
    box = {"facecolor": "white", "edgecolor": "none"}
    place = axes.transAxes
    axes.text(0.5, 0.9, text, color=_GREY, ha="center", va="center", transform=place, bbox=box)
