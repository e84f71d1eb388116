"""`make chaos`: put the promises to the test at their full counts, and print what became of them.

With --mutations instead: break the service on purpose, and see that it is noticed each time.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests import services
from tests.chaos.bench import keep
from tests.chaos.catalogue import PROMISES
from tests.chaos.mutations import MUTATIONS
from tests.chaos.outcome import Outcome, table
from tests.sites import DEFAULTS, QUICK

# What was run, what became of it, and whether that is as it must be.
Row = tuple[str, Outcome, bool]


def main() -> int:
    options = _options()
    rows = []
    with services.running_postgres() as postgres:
        run = _mutations if options.mutations else _promises
        for name, outcome, good in run(options, postgres):
            fine = "as it must be" if good else "NOT AS IT MUST BE"
            print(f"{time.strftime('%H:%M:%S')} {name}: {outcome.word}, {fine}", flush=True)
            for fault in outcome.wrong[:10]:
                print(f"    {fault}", flush=True)
            rows.append((name, outcome, good))
    print(f"\nSeed {options.seed}.\n\n{table((name, outcome) for name, outcome, _ in rows)}")
    return 0 if all(good for _, _, good in rows) else 1


def _promises(options: argparse.Namespace, postgres: services.Server) -> Iterator[Row]:
    for name in options.only or PROMISES:
        promise = PROMISES[name]
        count = max(1, round(promise.full * options.scale))
        timings = DEFAULTS if options.default_timings else QUICK
        outcome = keep(name, count, options.seed, _folder(), postgres, timings=timings)
        yield promise.words, outcome, outcome.holds


def _mutations(options: argparse.Namespace, postgres: services.Server) -> Iterator[Row]:
    for mutation in MUTATIONS:
        if options.only and mutation.promise not in options.only:
            continue
        name, count = mutation.promise, mutation.count
        outcome = keep(name, count, options.seed, _folder(), postgres, mutation)
        yield mutation.name, outcome, mutation.noticed(outcome)


def _folder() -> Path:
    """It stays: logs and database tell what happened."""
    return Path(tempfile.mkdtemp(prefix="plateau-chaos-"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the schedules (1)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full counts (1)")
    parser.add_argument("--only", nargs="+", choices=PROMISES, help="these promises (all)")
    parser.add_argument(
        "--default-timings", action="store_true", help="leases as in production, not short ones"
    )
    parser.add_argument("--mutations", action="store_true", help="break the service instead")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
