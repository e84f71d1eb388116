"""Learning curves as a picture: the loss on the left, accuracy (or R2) on the right; below them
the metrics that were asked for."""

import os
import threading
import warnings
from collections.abc import Sequence
from itertools import zip_longest

from api.results.curve_lines import Format, Run, _printable, asked_for, lines
from contract.experiment.measured import ALWAYS
from contract.settings import read_settings

# In the order of preference; the loss has a panel of its own.
_SCORES = sorted(
    (metric for metric in ALWAYS.values() if metric.name != "loss"),
    key=lambda metric: not metric.is_score,
)
# matplotlib's font cache and text parser are shared by all threads.
_drawing = threading.Lock()


def draw(runs: Sequence[Run], format_: Format, *, title: str = "") -> bytes:
    """A picture of one run, training and validation, or of several, by their validation."""
    # Loaded with the first picture only: matplotlib takes 30 MB and half a second.
    os.environ.setdefault("MPLCONFIGDIR", str(read_settings().var_dir / "matplotlib"))
    from api.results import chart_panels

    score = next((metric for metric in _SCORES if lines(runs, metric.name)), _SCORES[0])
    levels = {run.chance for run in runs} if score.name == "accuracy" else set()
    with _drawing, warnings.catch_warnings():
        # Names may hold characters that the font lacks; they are drawn as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        more = asked_for(runs)
        figure = chart_panels.figure(_printable(title), rows := 1 + -(-len(more) // 2))
        left, right, *below = figure.subplots(rows, 2).flat
        for axes, name in zip_longest(below, more):
            chart_panels.score(axes, name, lines(runs, name)) if name else axes.set_axis_off()
        chart_panels.loss(left, lines(runs, "loss"))
        chart_panels.score(right, score.title, lines(runs, score.name))
        if len(levels) == 1 and right.has_data():
            chart_panels.chance(right, levels.pop())
        chart_panels.legend(figure, right)
        return chart_panels.picture(figure, format_)
