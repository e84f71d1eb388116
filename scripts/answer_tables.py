"""The tables of docs/relu-vs-sigmoid.md, in Markdown, from what the API says of the runs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from contract.store.numbers import decode

FOUR = ("relu-raw", "sigmoid-raw", "relu-unit", "sigmoid-unit")
RATES = (1e-5, 1e-4, 1e-3, 0.1, 1.0, 10.0)
_STEPS = (0, 1, 2, 5, 10, 31)


class Run(Protocol):
    """As `scripts.answer.Run`."""

    job: dict[str, Any]
    results: dict[str, Any]
    signals: dict[str, Any]


def tables(
    runs: Mapping[str, Run], proof: Mapping[str, Any], diagnosis: Mapping[str, Any]
) -> dict[str, str]:
    """By the name that the page gives to the place of each."""
    return {
        "the four runs": _four(runs),
        "the first steps": _first_steps(runs),
        "units": _units(runs),
        "learning rates": _rates(runs),
        "repairs": _repairs(proof),
        "diagnosis": _quoted(diagnosis),
        "clipping": _accuracies(
            runs,
            {
                "relu-raw": "the question's ReLU network, raw inputs",
                "clip-raw": "the same, its output clipped",
                "relu-unit": "scaled inputs",
                "clip-unit": "the same, its output clipped",
                "relu-300-clip": "the answer's network: 300 units, clipped, as the recipe has it",
                "300-no-clip": "the same, not clipped",
            },
        ),
        "relu output": _accuracies(
            runs,
            {
                "relu-output": "raw inputs",
                "relu-output-unit": "scaled inputs",
            },
        ),
    }


def sharpness(run: Run) -> float:
    """lr * lambda_max / 2 at the initial weights: above 1, a step of SGD overshoots."""
    rate = float(run.job["spec"]["training"]["optimizer"]["learning_rate"])
    return rate * _number(run.signals["curvature"]["lambda_max"]) / 2


def hidden(moment: Mapping[str, Any]) -> Mapping[str, Any]:
    """The hidden layer's signals."""
    layer: Mapping[str, Any] = moment["layers"][0]
    return layer


def accuracy(run: Run) -> str:
    return f"{_number(run.job['metrics']['test_accuracy']):.3f}"


def _four(runs: Mapping[str, Run]) -> str:
    rows = [
        (
            f"`{name}`",
            f"{_number(runs[name].signals['data']['input_mean_square']):.3g}",
            f"{_number(runs[name].signals['curvature']['lambda_max']):.3g}",
            f"{sharpness(runs[name]):.3g}",
            accuracy(runs[name]),
            runs[name].job["verdict"],
        )
        for name in FOUR
    ]
    return _table(("run", "E[x²]", "λmax", "lr·λmax/2", "test accuracy", "verdict"), rows)


def _first_steps(runs: Mapping[str, Run]) -> str:
    rows = []
    for name in FOUR:
        losses = runs[name].results["first_losses"]
        rows.append((f"`{name}`", *(_loss(losses[step]) for step in _STEPS if step < len(losses))))
    return _table(("loss at step", *map(str, _STEPS)), rows)


def _units(runs: Mapping[str, Run]) -> str:
    rows = []
    for name in FOUR:
        moments = runs[name].signals["moments"]
        shown = {m["step"]: m for m in moments if not m["at_epoch_end"]}
        state = "dead" if name.startswith("relu") else "saturated"
        at = [step for step in (0, 1, 2, 4, 8, 64) if step in shown]
        rows.append(
            (
                f"`{name}`, {state}",
                *(_share(hidden(shown[step])[state]) for step in at),
                _share(hidden(moments[-1])[state]),
            )
        )
    return _table(
        ("share of the hidden units, after steps", "0", "1", "2", "4", "8", "64", "end"), rows
    )


def _rates(runs: Mapping[str, Run]) -> str:
    rows = []
    for name in FOUR:
        cells = {rate: runs[f"{name}-lr-{rate:g}"] for rate in RATES} | {0.01: runs[name]}
        rows.append(
            (
                f"`{name}`",
                *(
                    f"{accuracy(cells[rate])} ({sharpness(cells[rate]):.2g})"
                    for rate in sorted(cells)
                ),
            )
        )
    return _table(
        ("test accuracy (lr·λmax/2) at learning rate", *(f"{r:g}" for r in sorted({*RATES, 0.01}))),
        rows,
    )


def _repairs(proof: Mapping[str, Any]) -> str:
    rows = []
    for trial in proof["trials"]:
        role = "repair" if trial["repairs"] else "rival" if trial["rival_of"] else "together"
        value = decode(trial["value"])
        shown = "-" if value is None else f"{value:.3f}"
        rows.append((trial["title"], role, shown, trial["outcome"] or "-"))
    baseline = decode(proof["baseline"])
    rows.insert(0, ("nothing", "-", "-" if baseline is None else f"{baseline:.3f}", "-"))
    return _table(("what was changed", "as", "test accuracy", "outcome"), rows)


def _quoted(diagnosis: Mapping[str, Any]) -> str:
    return f"> {diagnosis['headline']}"


def _accuracies(runs: Mapping[str, Run], names: Mapping[str, str]) -> str:
    rows = []
    for name, words in names.items():
        run = runs[name]
        losses = [_number(loss) for loss in run.results["curves"]["loss"]]
        rows.append((words, _loss(losses[-1]), accuracy(run), run.job["headline"]))
    return _table(("run", "last training loss", "test accuracy", "what Plateau says"), rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: Any) -> float:
    found = decode(value)
    assert found is not None
    return found


def _loss(value: Any) -> str:
    return f"{_number(value):,.4g}"


def _share(value: Any) -> str:
    return f"{100 * _number(value):.0f} %"
