"""The pictures of docs/relu-vs-sigmoid.md."""

from collections.abc import Mapping

from matplotlib.axes import Axes

from api.results import chart_panels, charts, curve_lines
from api.results.curve_lines import COLOURS
from contract.store.numbers import decode
from scripts.answer_tables import FOUR, RATES, Run, hidden, sharpness


def pictures_of(runs: Mapping[str, Run]) -> dict[str, bytes]:
    """PNG files by name: the curves, the first 32 steps, and learning rates against lambda."""
    curves = [curve_lines.Run(name, runs[name].results["curves"]) for name in FOUR]
    return {
        "curves": charts.draw(curves, "png", title="Validation, by epoch"),
        "first-steps": _first_steps(runs),
        "learning-rates": _rates(runs),
    }


def _first_steps(runs: Mapping[str, Run]) -> bytes:
    figure = chart_panels.figure("The first steps")
    left, right = figure.subplots(1, 2)
    for name, colour in zip(FOUR, COLOURS, strict=False):
        losses = [decode(loss) for loss in runs[name].results["first_losses"]]
        left.plot(range(len(losses)), losses, color=colour, label=name, marker="o", markersize=3)
        state = "dead" if name.startswith("relu") else "saturated"
        seen = [m for m in runs[name].signals["moments"] if not m["at_epoch_end"]]
        shares = [decode(hidden(moment)[state]) for moment in seen]
        right.plot([m["step"] for m in seen], shares, color=colour, marker="o", markersize=3)
    _plain(left, "training loss", "step")
    left.set_yscale("log")
    _plain(right, "hidden units that are dead (ReLU), saturated (sigmoid)", "step")
    right.set_xscale("symlog", linthresh=1)
    right.set_ylim(-0.02, 1.02)
    chart_panels.legend(figure, left)
    return chart_panels.picture(figure, "png")


def _rates(runs: Mapping[str, Run]) -> bytes:
    figure = chart_panels.figure("Where each network learns")
    left, right = figure.subplots(1, 2)
    for name, colour in zip(FOUR, COLOURS, strict=False):
        tried = {rate: runs[f"{name}-lr-{rate:g}"] for rate in RATES} | {0.01: runs[name]}
        found = [(rate, run) for rate, run in sorted(tried.items())]
        reached = [decode(run.job["metrics"]["test_accuracy"]) for _, run in found]
        left.plot([rate for rate, _ in found], reached, color=colour, label=name, marker="o")
        right.plot([sharpness(run) for _, run in found], reached, color=colour, marker="o")
    _plain(left, "test accuracy", "learning rate")
    _plain(right, "test accuracy", "lr · λmax / 2 at the initial weights")
    right.axvline(1, color="#666666", linestyle="--", linewidth=1)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_ylim(0, 1.02)
    chart_panels.legend(figure, left)
    return chart_panels.picture(figure, "png")


def _plain(axes: Axes, title: str, x: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(x)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
