"""What signals cost: pairs of runs, on and off in turn, in one process.

`python -m benchmarks.signals` trains relu-unit on MNIST where PLATEAU_DATA_DIR names a folder with
mnist.npz, else on digits, and a small CNN, and prints medians. CPU seconds are those of the whole
process: on a machine that is not idle they say more than the wall clock.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.agreement import SPECS, Silent
from contract.experiment.datasets import facts_of
from contract.experiment.spec import Experiment
from contract.settings import Settings
from worker.training.hooks import Finished
from worker.training.runtime import configure

PAIRS = 5
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Seconds:
    """Of one run: building, tracing and training; all of it; and the processor's time for all."""

    training: float
    whole: float
    processor: float


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as a worker's trainer has it; NumPy comes next
    configure(threads=1)
    settings = Settings()
    on_mnist = (settings.data_dir / "mnist.npz").exists()
    dataset = {"name": "mnist" if on_mnist else "digits", "scaling": "unit"}
    print(f"{dataset['name']}, medians of {PAIRS} pairs, seconds with signals and without")
    for name, spec in specs(dataset):
        run(spec, "on", settings.data_dir)  # what only a process's first run pays
        runs = [run(spec, signals, settings.data_dir) for signals in ("on", "off") * PAIRS]
        for what in ("training", "whole", "processor"):
            on, off = (median(getattr(one, what) for one in runs[side::2]) for side in (0, 1))
            print(f"{name:12} {what:10} {on:7.2f} {off:7.2f} {100 * (on / off - 1):+6.1f} %")


def specs(dataset: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    recipe = json.loads((ROOT / "recipes" / "relu-unit.json").read_text())
    yield "relu-unit", {**recipe, "dataset": dataset}
    cnn = SPECS["CNN, batch normalization"]
    training = {**recipe["training"], "optimizer": cnn["optimizer"], "epochs": 3}
    yield (
        "small CNN",
        {
            "name": "small CNN",
            "dataset": dataset,
            "model": {"layers": cnn["layers"]},
            "training": training,
        },
    )


def run(spec: dict[str, Any], signals: str, data_dir: Path) -> Seconds:
    from worker.training.program.cache import Programs
    from worker.training.run import train

    experiment = Experiment.model_validate({**spec, "signals": signals})
    began, used = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        end = train(
            experiment,
            facts_of(experiment.dataset.name),
            upload=None,
            data_dir=data_dir,
            scratch=Path(scratch),
            resume=None,
            checkpoint_seconds=10,
            hooks=Silent(),
            programs=Programs(Path(scratch)),
        )
    assert isinstance(end, Finished)
    training = end.timing["train_seconds"] + end.timing["compile_seconds"]
    return Seconds(training, time.perf_counter() - began, time.process_time() - used)


if __name__ == "__main__":
    main()
