"""Promises that tests keep by themselves: here they run at their full counts."""

import subprocess
import sys
from collections.abc import Callable

from tests.chaos.outcome import Outcome
from tests.chaos.stage import Stage
from tests.sites import ROOT


def tested(*arguments: str) -> Callable[[Stage, int], Outcome]:
    """A promise that holds when pytest, so called, passes."""

    def run(_stage: Stage, count: int) -> Outcome:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        outcome = Outcome(count)
        if done.returncode != 0:
            outcome.wrong.append(done.stdout[-2000:])
        return outcome

    return run
