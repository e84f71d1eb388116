"""What the runs of a proof decided: which changes held, by how much, and what that proves."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, variance

from diagnosis.proof.choice import chosen
from diagnosis.proof.judgement import Judgement, Report, Standing
from diagnosis.proof.trial import BASELINE, Outcome, Trial
from diagnosis.proof.yardstick import Yardstick
from diagnosis.report import Diagnosis

# A change holds that goes this share of the way from no learning to the best that is known, and
# this share of the way from the run to there; or whose run is healthy by its own diagnosis.
_OF_ALL = 0.75
_OF_THE_WAY = 0.5


def judge(
    diagnosis: Diagnosis,
    trials: Sequence[Trial],
    outcomes: Sequence[Outcome],
    yardstick: Yardstick,
) -> Report:
    """`outcomes` are those of the trials' runs and, under BASELINE, of the run itself."""
    values = {code: _values(code, outcomes) for code in {o.trial for o in outcomes}}
    own = values.get(BASELINE, [])
    bar = _bar(own, values, yardstick)
    changed = [trial for trial in trials if trial.changes]
    healthy = _healthy(outcomes)
    judgements = [
        _judged(
            trial,
            values.get(trial.code, []),
            own,
            yardstick.floor if trial.code in healthy else bar,
            yardstick,
        )
        for trial in changed
    ]
    by_code = {j.trial: j for j in judgements}
    held = [j.trial for j in judgements if j.outcome == "held"]
    mends = [t for t in changed if t.code in held and not t.mask and _is_repair(t)]
    best, ties = chosen(diagnosis, mends, by_code, yardstick)
    return Report(
        metric=yardstick.metric,
        baseline=_mean(own),
        bar=bar,
        judgements=judgements,
        held=held,
        best=best.code if best else None,
        ties=ties,
        causes={c.code: _standing(c.code, changed, by_code, best) for c in diagnosis.causes},
        needed=_needed(changed, held, best),
    )


def _is_repair(trial: Trial) -> bool:
    return bool(trial.repairs) or len(trial.changes) > 1


def _values(code: str, outcomes: Sequence[Outcome]) -> list[float | None]:
    """Of the runs that came to their end."""
    found = [outcome.value for outcome in outcomes if outcome.trial == code and outcome.ran]
    return [value if value is not None and math.isfinite(value) else None for value in found]


def _healthy(outcomes: Sequence[Outcome]) -> set[str]:
    """The trials all of whose runs are, by their own diagnoses."""
    verdicts: dict[str, set[str]] = {}
    for outcome in outcomes:
        if outcome.ran:
            verdict = outcome.diagnosis.verdict if outcome.diagnosis else "undetermined"
            verdicts.setdefault(outcome.trial, set()).add(verdict)
    return {trial for trial, found in verdicts.items() if found == {"healthy"}}


def _mean(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return fmean(numbers) if numbers else None


def _bar(
    own: Sequence[float | None],
    values: Mapping[str, Sequence[float | None]],
    yardstick: Yardstick,
) -> float:
    floor = yardstick.floor
    run = fmean(yardstick.scores(own))
    best = max(fmean(yardstick.scores(each)) for each in [own, *values.values()])
    reference = max(best, floor if yardstick.attainable is None else yardstick.attainable)
    return max(floor + _OF_ALL * (reference - floor), run + _OF_THE_WAY * (reference - run))


def _judged(
    trial: Trial,
    values: Sequence[float | None],
    own: Sequence[float | None],
    bar: float,
    yardstick: Yardstick,
) -> Judgement:
    scores, before = yardstick.scores(values), yardstick.scores(own)
    gain, noise = fmean(scores) - fmean(before), yardstick.noise(scores, before)
    held = gain > noise and fmean(scores) >= bar
    numbers = [value for value in values if value is not None]
    return Judgement(
        trial=trial.code,
        title=trial.title,
        outcome="not_run" if not values else "held" if held else "failed",
        mask=trial.mask,
        epochs=trial.epochs,
        value=_mean(values),
        gain=gain if values else None,
        noise=noise if values else None,
        spread=math.sqrt(variance(numbers)) if len(numbers) > 1 else None,
        runs=len(values),
    )


def _standing(
    cause: str, trials: Sequence[Trial], judgements: Mapping[str, Judgement], best: Trial | None
) -> Standing:
    own = [trial for trial in trials if cause in trial.repairs]
    rivals = [trial for trial in trials if cause in trial.rival_of and not trial.mask]
    outcomes = {trial.code: judgements[trial.code].outcome for trial in trials}
    held = [trial for trial in own if outcomes[trial.code] == "held"]
    if any(not trial.mask for trial in held):
        rival_held = any(outcomes[rival.code] == "held" for rival in rivals)
        return "questioned" if rival_held else "proven"
    part_of = {change.code for change in best.changes} if best else set()
    if any(change.code in part_of for trial in own for change in trial.changes):
        return "contributes"
    if held:
        return "masked"
    return "refuted" if any(outcomes[trial.code] == "failed" for trial in own) else "untested"


def _needed(trials: Sequence[Trial], held: Sequence[str], best: Trial | None) -> dict[str, bool]:
    """By change, of those that held together: the smallest set that held needs all it has."""
    together = [trial for trial in trials if len(trial.changes) > 1 and trial.code in held]
    if best is None or len(best.changes) < 2:
        return {}
    part_of = {change.code for change in best.changes}
    return {change.code: change.code in part_of for t in together for change in t.changes}
