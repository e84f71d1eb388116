"""How a run stands against what its task plainly allows: chance, and plain baselines."""

import math
from dataclasses import dataclass

from diagnosis.run.curve import Summary
from diagnosis.run.series import finite
from diagnosis.run.signals import DataSignals

# A baseline decides where it is this many standard deviations of a test result above chance.
_CLEAR = 3.0
# A regression's baseline, in R2, that is worth the name.
_LEAST_R2 = 0.1
# Guesses do better than chance by more than this many standard deviations once in 400 times.
_LUCK = 3.0
# The training examples, at most, whose neighbours are looked at.
_SAMPLE = 1000


@dataclass(frozen=True)
class Standing:
    """Test accuracy, or R2: `value` of the run, `chance` of no learning, and two baselines.

    `linear` is that of a linear model on standardised inputs. The other is `neighbours`, that of
    naming the nearest example's class, or for a regression `curved`, that of a kernel ridge
    regression. `noise` is the standard deviation of an accuracy near `value`; `tested` and
    `sampled` are the examples that `linear` and `neighbours` were measured on.
    """

    value: float | None
    chance: float | None
    linear: float | None
    neighbours: float | None
    curved: float | None
    noise: float
    tested: int
    sampled: int

    @property
    def bent(self) -> float | None:
        """The baseline that is not linear."""
        return self.curved if self.neighbours is None else self.neighbours

    @property
    def attainable(self) -> float | None:
        """The better baseline, where it is clearly better than chance."""
        known = [min(level, 1.0) for level in (self.linear, self.bent) if level is not None]
        if not known or self.chance is None or max(known) - self.chance < self._least:
            return None
        return max(known)

    @property
    def share(self) -> float | None:
        """What the run gained over chance, as a share of what the better baseline gains."""
        if self.value is None or self.attainable is None or self.chance is None:
            return None
        return (self.value - self.chance) / (self.attainable - self.chance)

    @property
    def behind(self) -> float:
        """How far the run lies behind the better baseline, in standard deviations of both."""
        if self.value is None or self.attainable is None:
            return 0.0
        return (self.attainable - self.value) / (math.sqrt(2) * self.noise)

    @property
    def hopeless(self) -> bool:
        """Whether both baselines were within the noise of chance."""
        if self.chance is None or self.linear is None or self.bent is None:
            return False
        if self.neighbours is None:
            return max(self.linear, self.bent) <= _LUCK * self.noise
        test, train = _guesses(self.chance, self.tested), _guesses(self.chance, self.sampled)
        return self.linear <= self.chance + test and self.neighbours <= self.chance + train

    @property
    def _least(self) -> float:
        return max(_CLEAR * self.noise, _LEAST_R2)


def standing(summary: Summary, test_examples: int, data: DataSignals | None) -> Standing:
    """Without `data` no baseline is known."""
    regression = summary.metric == "r2"
    linear = finite(data.linear_baseline) if data is not None else None
    neighbours = finite(data.neighbour_agreement) if data is not None else None
    chance = 0.0 if regression else summary.chance
    return Standing(
        value=summary.value,
        chance=chance,
        linear=linear,
        neighbours=None if regression else neighbours,
        curved=finite(data.curved_baseline) if data is not None and regression else None,
        noise=_noise(summary.value, test_examples, regression),
        tested=test_examples,
        sampled=min(sum(data.class_counts), _SAMPLE) if data is not None else 0,
    )


def _guesses(chance: float, examples: int) -> float:
    """How far above chance guesses may come."""
    return _LUCK * math.sqrt(max(chance * (1 - chance), 0.0) / max(1, examples))


def _noise(value: float | None, examples: int, regression: bool) -> float:
    if examples < 1:
        return 1.0
    if regression:
        return 0.5 / math.sqrt(examples)
    share = min(max(value if value is not None else 0.5, 0.05), 0.95)
    return math.sqrt(share * (1 - share) / examples)
