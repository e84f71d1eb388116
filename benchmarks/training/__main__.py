"""`python -m benchmarks.training [--rounds 5] [WORKLOAD...]`: a table for each workload.

All ways take turns, on one thread each and one at a time. Some need mnist.npz in PLATEAU_DATA_DIR;
PyTorch and JAX come from the environment that `make rivals` makes, where it is there.
Ratios are of the processor's time: on a machine that is not idle it says more than the clock.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.training.workloads import SEQUENCES, WORKLOADS
from contract.settings import Settings

ROOT = Path(__file__).parents[2]
RIVALS = ROOT / ".venv-rivals" / "bin" / "python"
OURS = (
    "plateau",
    "plateau, validation and signals",
    "model.fit",
    "model.fit, steps_per_execution",
)
# XLA does not take max pooling, and the products of an MLP are easily told.
MLP_ONLY = ("plateau, jit_compile", "matrix products alone")
THEIRS = ("PyTorch loop", "JAX scan")
BASELINES = ("model.fit", "matrix products alone")
Seconds = dict[str, list[tuple[float, float]]]


def ways(workload: str) -> list[tuple[str, str]]:
    """(module, way) of all that can train it here."""
    found = [("ours", way) for way in OURS]
    if workload in ("question", "digits", "reference"):
        found += [("ours", way) for way in MLP_ONLY]
    if workload in ("question", "digits"):
        found += [("ours", "NumPy by hand")]
    theirs = "sequence_rivals" if workload in SEQUENCES else "rivals"
    return found + ([(theirs, way) for way in THEIRS] if RIVALS.exists() else [])


@contextmanager
def started(module: str, way: str, workload: str, file: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has prepared itself to train."""
    python = Path(sys.executable) if module == "ours" else RIVALS
    command = [str(python), "-m", "benchmarks.training.way", module, way, workload, str(file)]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            answer(process)
            yield process
        finally:
            process.kill()


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{process.args!r} ended with status {process.wait()}")
    return line


def train(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Seconds that passed, and the processor's."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    passed, used = json.loads(answer(process))
    return passed, used


def measure(workload: str, rounds: int, folder: Path, data_dir: Path) -> Seconds:
    from benchmarks.training.ours import arrays_of

    arrays = arrays_of(WORKLOADS[workload], data_dir)
    file = folder / f"{workload}.npz"
    np.savez(file, allow_pickle=False, **arrays.by_name())
    with ExitStack() as stack:
        processes = {
            way: stack.enter_context(started(module, way, workload, file))
            for module, way in ways(workload)
        }
        seconds: Seconds = {way: [] for way in processes}
        for _ in range(rounds):
            for way, process in processes.items():
                seconds[way].append(train(process))
    return seconds


def show(workload: str, seconds: Seconds) -> None:
    work = WORKLOADS[workload]
    used = {way: [used for _, used in runs] for way, runs in seconds.items()}
    baselines = [way for way in BASELINES if way in used]
    heads = "".join(f"  / {way}" for way in baselines)
    made = work.dataset
    data = made if isinstance(made, str) else f"{made.examples:,} examples of {made.shape}"
    print(f"\n{workload}: {work.epochs} epochs of {data}, batches of {work.batch_size}")
    print(f"{'':32}  clock  processor  (least to most){heads}")
    for way, runs in seconds.items():
        ratios = "".join(
            f"{median(used[way]) / median(used[base]):{len(base) + 4}.2f}" for base in baselines
        )
        print(
            f"{way:32} {median(passed for passed, _ in runs):6.2f} {median(used[way]):10.2f}"
            f"  ({min(used[way]):5.2f} to {max(used[way]):5.2f}){ratios}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training")
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if unknown := set(arguments.workloads) - set(WORKLOADS):
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(WORKLOADS)}")
    with tempfile.TemporaryDirectory() as folder:
        for workload in arguments.workloads or WORKLOADS:
            data_dir = Settings().data_dir
            show(workload, measure(workload, arguments.rounds, Path(folder), data_dir))


if __name__ == "__main__":
    main()
