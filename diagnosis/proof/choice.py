"""Which of the repairs that held is named first."""

from collections.abc import Mapping, Sequence

from diagnosis.proof.judgement import Judgement
from diagnosis.proof.trial import Trial
from diagnosis.proof.yardstick import Yardstick
from diagnosis.report import Diagnosis

# A repair of a likelier cause is named before a better one that has no more than this over it.
_CLOSE = 0.1


def chosen(
    diagnosis: Diagnosis,
    trials: Sequence[Trial],
    values: Mapping[str, Judgement],
    yardstick: Yardstick,
) -> tuple[Trial | None, list[str]]:
    """Of the repairs that held with the fewest changes the one to name, and its ties.

    It is one of the likeliest cause that has one close to the best: the diagnosis has seen what of
    the run is out of the ordinary. Of that cause's repairs it is the best, of equals the likeliest.
    """
    fewest = min((len(trial.changes) for trial in trials), default=0)
    simple = [trial for trial in trials if len(trial.changes) == fewest]
    if not simple:
        return None, []
    rank = {trial.code: _rank(diagnosis, trial) for trial in simple}
    top = max(_value(values, trial) for trial in simple)
    close = [t for t in simple if top - _value(values, t) <= _CLOSE * (top - yardstick.floor)]
    likeliest = min(rank[trial.code][0] for trial in close)
    own = [trial for trial in close if rank[trial.code][0] == likeliest]
    equal = _equal(max(_value(values, trial) for trial in own), own, values, yardstick)
    best = min(equal, key=lambda trial: rank[trial.code])
    ties = _equal(_value(values, best), simple, values, yardstick)
    return best, [trial.code for trial in ties if trial is not best]


def _rank(diagnosis: Diagnosis, trial: Trial) -> tuple[int, int]:
    """Place of the first cause that it repairs, and its place among the repairs of that cause."""
    places = [
        (rank, place)
        for rank, cause in enumerate(diagnosis.causes)
        for place, change in enumerate(cause.repairs)
        if list(change.patch) == list(trial.patch)
    ]
    return min(places, default=(len(diagnosis.causes), 0))


def _equal(
    value: float, trials: Sequence[Trial], values: Mapping[str, Judgement], yardstick: Yardstick
) -> list[Trial]:
    """Those that differ from `value` by no more than the noise."""
    return [
        trial
        for trial in trials
        if abs(value - (own := _value(values, trial))) <= yardstick.noise([value], [own])
    ]


def _value(judgements: Mapping[str, Judgement], trial: Trial) -> float:
    return judgements[trial.code].value or 0.0
