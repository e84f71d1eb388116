"""From a run to its verdict, its ranked causes and one sentence for people."""

from collections.abc import Sequence

from diagnosis.causes import ANY, UNLEARNED, overfitting, undertrained
from diagnosis.report import Cause, Diagnosis, Verdict
from diagnosis.run.case import Case
from diagnosis.words import lowered, number, percent

# A run that gained less than this share of what a plain baseline gains has failed; one that is
# merely too short may still be on its way, which what was stopped or held back for sure is not.
_FAR, _ON_ITS_WAY, _BRAKED = 0.75, 0.67, 0.88
# Where it gained more, but less than these, it has failed if a cause is as certain as this.
_CERTAIN = ((0.87, 0.88), (0.92, 0.95))
# Standard deviations that it must lie behind the baseline.
_CLEAR = 2.0
# A cause that leaves no way to learn, unless the run was as good as the baselines after all.
_BEYOND_DOUBT, _EQUAL = 0.97, 0.97
_LEAST_SCORE = 0.3


def diagnose(case: Case) -> Diagnosis:
    """Judge one run. The same case has the same answer."""
    causes = _ranked(case)
    verdict = _verdict(case, causes)
    if verdict != "unhealthy":
        return Diagnosis(verdict, case.summary.headline, (), _remarks(case))
    return Diagnosis(verdict, _headline(case, causes), causes, _remarks(case))


def _ranked(case: Case) -> Sequence[Cause]:
    looks = ANY if case.fits_well else (*ANY, *UNLEARNED)
    found = [cause for look in looks if (cause := look(case)) is not None]
    return sorted(
        (cause for cause in found if cause.score >= _LEAST_SCORE),
        key=lambda cause: (-cause.score, cause.code),
    )


def _verdict(case: Case, causes: Sequence[Cause]) -> Verdict:
    place, summary = case.standing, case.summary
    if summary.verdict == "unhealthy" or case.holds_no_numbers:
        return "unhealthy"
    if place.value is None or case.signals.data is None:
        return "undetermined"
    share = place.share
    if _overfits(case, causes) or _hindered(case, causes):
        return "unhealthy"
    if share is None:
        return "undetermined" if place.hopeless or place.linear is None else "healthy"
    return "unhealthy" if place.behind >= _CLEAR and _far(share, causes) else "healthy"


def _far(share: float, causes: Sequence[Cause]) -> bool:
    """Whether a share of what a baseline gains is a failure, for all that speaks for one."""
    if not causes:
        return share < _FAR
    if causes[0].code == undertrained.CODE and causes[0].score < _BRAKED:
        return share < _ON_ITS_WAY
    certain = any(share < limit and causes[0].score >= score for limit, score in _CERTAIN)
    return share < _FAR or certain


def _overfits(case: Case, causes: Sequence[Cause]) -> bool:
    found = any(cause.code == overfitting.CODE for cause in causes)
    return found and (overfitting.gap_of(case) or 0.0) >= overfitting.WIDE


def _hindered(case: Case, causes: Sequence[Cause]) -> bool:
    share = case.standing.share
    equal = share is not None and share >= _EQUAL and not case.regression
    sure = bool(causes) and causes[0].score >= _BEYOND_DOUBT
    return sure and not equal and not case.fits_well


def _headline(case: Case, causes: Sequence[Cause]) -> str:
    said = f"{case.summary.reached}{_expected(case)}"
    if not causes:
        return f"{said}; nothing that was measured says why."
    return f"{said}: {lowered(causes[0].title)}. {causes[0].evidence[0]}"


def _expected(case: Case) -> str:
    """What makes a run a failure that was better than chance."""
    place = case.standing
    if case.summary.verdict == "unhealthy" or not (place.share or 1.0) < 1:
        return ""
    if place.attainable == place.linear:
        level = f"R2 {number(place.linear)}" if case.regression else percent(place.linear)
        return f", where a linear model reaches {level}"
    if case.regression:
        return f", where a plain curved model reaches R2 {number(place.curved)}"
    return f", where the nearest example alone tells {percent(place.neighbours)}"


def _remarks(case: Case) -> Sequence[str]:
    found = []
    if case.summary.still_falling:
        found.append("The loss was still falling at the end: more epochs would go further.")
    sharp = case.readings.sharpness
    if sharp is not None and 0 < sharp < 0.1 and case.falling:
        found.append(
            f"The learning rate is low for this loss surface: {case.readings.measure} is "
            f"{number(sharp)}."
        )
    dead = case.readings.dead(case.readings.end)
    if dead is not None and dead >= 0.5:
        found.append(f"{percent(dead)} of a layer's hidden units are dead.")
    return found
