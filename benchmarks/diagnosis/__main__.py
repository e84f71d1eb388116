"""Faults and healthy twins: is the right cause found, does its repair hold, who cries wolf?

`python -m benchmarks.diagnosis` trains what it has not trained before (some minutes; what came of
it is kept in PLATEAU_VAR_DIR/benchmarks/diagnosis: delete that when training changes), prints a
table and the totals, and exits with 1 where a bar is missed. MNIST comes from PLATEAU_DATA_DIR.
`--recipes` judges the recipes instead, `--seeds n` says by how many seeds, `--quick` leaves out the
proof and its baseline.
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from benchmarks.diagnosis.cases import pairs
from benchmarks.diagnosis.judging import Judged, judged
from benchmarks.diagnosis.recipes import judge_recipes
from benchmarks.diagnosis.runs import Runs
from contract.settings import Settings
from worker.training.runtime import configure

# Name, whether a pair did well (None: it does not count), and the least share that must.
Bar = tuple[str, Callable[[Judged], bool | None], float]
BARS: Sequence[Bar] = (
    ("right cause first", lambda j: j.first, 0.80),
    ("among the first two", lambda j: j.among_two, 0.90),
    ("no alarm on the twin", lambda j: not j.false_alarm, 0.95),
    ("a repair held", lambda j: j.repaired, 0.85),
    ("baseline: random search", lambda j: j.lucky, 0.0),
    ("baseline: static rules", lambda j: j.static_first, 0.0),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.diagnosis")
    parser.add_argument("--recipes", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", default="", help="cases whose names hold this")
    asked = parser.parse_args()
    settings = Settings()
    configure(settings.threads_per_slot)
    runs = Runs(settings.var_dir / "benchmarks" / "diagnosis", settings)
    if asked.recipes:
        return judge_recipes(runs, asked.seeds)
    done = []
    for seed in range(asked.seeds):
        for pair in pairs(runs.uploads):
            if asked.only in pair.name:
                done.append(judged(pair, runs, settings, seed, prove=not asked.quick))
                print(_line(done[-1]), flush=True)
    return _totals(done)


def _line(j: Judged) -> str:
    mark = "*" if j.pair.held_out else " "
    right = "first " if j.first else "second" if j.among_two else "MISSED"
    words = {True: "held", False: "FAILED", None: "-"}
    chance = {True: "hit", False: "no", None: "-"}
    twin = f"{_shown(j.twin.standing.value)} {'ALARM' if j.false_alarm else j.of_twin.verdict}"
    return (
        f"{mark}{j.pair.name:32} {j.pair.causes[0]:20} {right} "
        f"{_shown(j.faulty.standing.value)} {', '.join(j.codes[:3]) or j.found.verdict:60} "
        f"{words[j.repaired]:6} {chance[j.lucky]:4} {twin}"
    )


def _shown(value: float | None) -> str:
    return "  none" if value is None else f"{value:6.3f}"


def _totals(done: Sequence[Judged]) -> int:
    held = True
    print("\n* held out: no rule was changed after these were judged. Others, held out, all:")
    for name, well, bar in BARS:
        parts = []
        for among in ([False], [True], [False, True]):
            those = [v for j in done if j.pair.held_out in among and (v := well(j)) is not None]
            share = sum(those) / len(those) if those else 1.0
            parts.append(f"{100 * share:5.1f} % of {len(those):3}" if those else " " * 14)
        held = held and share >= bar
        needed = f"at least {100 * bar:.0f} %" if bar else ""
        print(f"{name:26} {'   '.join(parts)}   {needed}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
