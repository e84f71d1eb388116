"""From a run to its verdict, its ranked causes and one sentence for people."""

from collections.abc import Sequence

from diagnosis.case import Case
from diagnosis.causes import CAUSES, overfitting, undertrained
from diagnosis.report import Cause, Diagnosis, Verdict
from diagnosis.words import lowered, number, percent

# A run that gained less than this share of what a plain baseline gains has failed.
_FAR = 0.75
# One that gained less than this has where a cause is beyond doubt, and it is clear of the noise.
_NEAR, _CERTAIN, _CLEAR = 0.92, 0.88, 2.0
# A gap between training and test that is a failure whatever the baselines reach.
_GAP = 0.25
_LEAST_SCORE = 0.3


def diagnose(case: Case) -> Diagnosis:
    """Judge one run. The same case has the same answer."""
    causes = _ranked(case)
    verdict = _verdict(case, causes)
    if verdict != "unhealthy":
        return Diagnosis(verdict, case.summary.headline, (), _remarks(case))
    return Diagnosis(verdict, _headline(case, causes), causes, _remarks(case))


def _ranked(case: Case) -> Sequence[Cause]:
    found = [cause for look in CAUSES if (cause := look(case)) is not None]
    return sorted(
        (cause for cause in found if cause.score >= _LEAST_SCORE),
        key=lambda cause: (-cause.score, cause.code),
    )


def _verdict(case: Case, causes: Sequence[Cause]) -> Verdict:
    place, summary = case.standing, case.summary
    if summary.verdict == "unhealthy":
        return "unhealthy"
    if place.value is None or case.signals.data is None:
        return "undetermined"
    overfits = any(cause.code == overfitting.CODE for cause in causes)
    if overfits and (overfitting.gap_of(case) or 0.0) >= _GAP:
        return "unhealthy"
    share = place.share
    if share is None:
        return "undetermined" if place.hopeless or place.linear is None else "healthy"
    if place.behind < _CLEAR:
        return "healthy"
    if share < _FAR or (share < _NEAR and _certain(causes)):
        return "unhealthy"
    return "healthy"


def _certain(causes: Sequence[Cause]) -> bool:
    sure = [cause for cause in causes if cause.code != undertrained.CODE]
    return bool(sure) and sure[0].score >= _CERTAIN


def _headline(case: Case, causes: Sequence[Cause]) -> str:
    said = case.summary.headline.removesuffix(".")
    if not causes:
        return f"{said}; nothing that was measured says why."
    first = causes[0]
    return f"{said}: {lowered(first.title)}. {first.evidence[0]}"


def _remarks(case: Case) -> Sequence[str]:
    found = []
    if case.summary.still_falling:
        found.append("The loss was still falling at the end: more epochs would go further.")
    sharp = case.probe.sharpness
    if sharp is not None and 0 < sharp < 0.1 and case.falling:
        found.append(
            f"The learning rate is low for this loss surface: lr * lambda / 2 is {number(sharp)}."
        )
    dead = case.probe.dead(case.probe.end)
    if dead is not None and dead >= 0.5:
        found.append(f"{percent(dead)} of a layer's hidden units are dead.")
    return found
