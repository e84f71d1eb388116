"""A diagnosis whose proof is there: its causes in their new order, its words with the proof's."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from diagnosis.judgement import Report, Standing
from diagnosis.trials import Trial
from diagnosis.wording import sentence

# The most certain first.
_ORDER = get_args(Standing)


def concluded(
    stored: Mapping[str, Any], report: Report, trials: Sequence[Trial], epochs: int
) -> dict[str, Any]:
    """`stored` is the diagnosis as a document, of a run of `epochs` epochs.

    A run that a change repairs was not healthy, whatever it looked like before.
    """
    causes = sorted(
        stored.get("causes", ()), key=lambda cause: _ORDER.index(report.causes[cause["code"]])
    )
    return {
        **stored,
        "verdict": "unhealthy" if report.best else stored["verdict"],
        "headline": f"{stored['headline']} {sentence(report, trials, epochs)}",
        "causes": causes,
    }
