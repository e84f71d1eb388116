"""A diagnosis whose proof is there: its causes in their new order, its words with the proof's."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from diagnosis.proof.judgement import Report, Standing
from diagnosis.proof.trial import Trial
from diagnosis.proof.wording import sentence
from diagnosis.words import lowered

# The most certain first.
_ORDER = get_args(Standing)


def concluded(
    stored: Mapping[str, Any], report: Report, trials: Sequence[Trial], epochs: int
) -> dict[str, Any]:
    """`stored` is the diagnosis as a document, of a run of `epochs` epochs.

    A run that a change repairs was not healthy, whatever it looked like before.
    """
    causes = sorted(
        stored.get("causes", ()), key=lambda cause: _ORDER.index(_standing(report, cause))
    )
    return {
        **stored,
        "verdict": "unhealthy" if report.best else stored["verdict"],
        "headline": _headline(stored, report, sentence(report, trials, epochs)),
        "causes": causes,
    }


def _standing(report: Report, cause: Mapping[str, Any]) -> Standing:
    """Of one that was no part of the proof, since it could not be read, nothing was tried."""
    return report.causes.get(cause.get("code", ""), "untested")


def _headline(stored: Mapping[str, Any], report: Report, proof: str) -> str:
    """It no longer says as a fact what the proof refuted."""
    headline, causes = str(stored["headline"]), stored.get("causes", ())
    if report.best or not causes or _standing(report, causes[0]) != "refuted":
        return f"{headline} {proof}"
    supposed = lowered(str(causes[0]["title"]))
    reached = headline.partition(f": {supposed}.")[0].removesuffix(".")
    return f"{reached}. It looked as if {supposed}, but {lowered(proof)}."
