"""The recipes' verdicts, on MNIST and on digits, over several seeds."""

import json
from pathlib import Path

from benchmarks.diagnosis.cases import Spec, full, with_seed
from benchmarks.diagnosis.runs import Runs
from diagnosis.diagnose import diagnose

RECIPES = Path(__file__).parents[2] / "recipes"
# The first cause that each must have; None: it must not be called unhealthy.
EXPECTED = {
    "relu-raw": "input_scale",
    "relu-output": "head",
    "sigmoid-raw": None,
    "sigmoid-unit": None,
    "relu-unit": None,
    "keras-mnist-mlp": None,
    "relu-300-clip": None,
}


def judge_recipes(runs: Runs, seeds: int) -> int:
    """Print a line for each recipe and dataset; 1 where a verdict is not the expected one."""
    wrong = 0
    for dataset in ("digits", "mnist"):
        for name, cause in EXPECTED.items():
            stored = json.loads((RECIPES / f"{name}.json").read_text())
            spec = full({**stored, "dataset": {**stored["dataset"], "name": dataset}})
            wrong += _judge(runs, spec, cause, seeds)
    print(f"{wrong} wrong verdicts")
    return 1 if wrong else 0


def _judge(runs: Runs, spec: Spec, cause: str | None, seeds: int) -> int:
    found = [diagnose(runs.case(with_seed(spec, seed))) for seed in range(seeds)]
    firsts = [d.causes[0].code if d.causes else None for d in found]
    right = [
        first == cause and (d.verdict == "unhealthy") == (cause is not None)
        for first, d in zip(firsts, found, strict=True)
    ]
    named = f"{spec['name']:16} {spec['dataset']['name']:7}"
    print(f"{named} {sum(right)}/{seeds}: {found[0].headline}", flush=True)
    for first, d in zip(firsts, found, strict=True):
        if first != cause:
            print(f"    {d.verdict}, {first}: {d.headline}")
    return seeds - sum(right)
