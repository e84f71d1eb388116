"""One run as it is judged: what was asked for, what came of it, what was measured meanwhile."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from diagnosis.run.baselines import Standing, standing
from diagnosis.run.curve import Summary, summarise
from diagnosis.run.readings import Readings
from diagnosis.run.series import Series, finite, still_falling
from diagnosis.run.setup import Setup
from diagnosis.run.signals import NONE, Signals

_FITTED = 0.9


@dataclass(frozen=True)
class Case(Setup):
    """`curve`, `metrics`, `reason` and `class_counts` are as `curve.summarise` takes them."""

    curve: Mapping[str, Series]
    metrics: Mapping[str, float | None]
    reason: str
    class_counts: Sequence[int] = ()
    signals: Signals = NONE

    @cached_property
    def readings(self) -> Readings:
        """The signals, read against the network that they were measured of."""
        return Readings(self.signals, self.network, self.procedure)

    @cached_property
    def summary(self) -> Summary:
        """What the curve and the final metrics show."""
        return summarise(
            task=self.facts["task"],
            classes=self.facts["classes"],
            test_examples=self.test_examples,
            curve=self.curve,
            metrics=self.metrics,
            reason=self.reason,
            class_counts=self.class_counts,
        )

    @property
    def holds_no_numbers(self) -> bool:
        """Whether some inputs or targets are empty, NaN or infinite."""
        data = self.signals.data
        seen = (data.input_mean_square, data.target_mean_square) if data is not None else ()
        broken = any(value is not None and not math.isfinite(value) for value in seen)
        return broken or not self.facts.get("finite", True)

    @cached_property
    def standing(self) -> Standing:
        """What was reached, beside what simple baselines reach."""
        return standing(self.summary, self.test_examples, self.signals.data)

    @property
    def test_examples(self) -> int:
        """The test part's: those of each class where they were counted, else the dataset's.

        Of labels with several places, these are counted: accuracy is their mean.
        """
        counted = sum(n for n in self.class_counts if n > 0)
        one_class_each = self.facts["task"] == "classification" and counted > 0
        return counted if one_class_each else int(self.facts["test_examples"])

    @property
    def train_examples(self) -> int:
        """The training part's, from the counts of its classes or from the dataset's facts."""
        dataset = self.spec["dataset"]
        data = self.signals.data
        one_class_each = self.facts["task"] == "classification" and not self.per_place
        if data is not None and one_class_each and data.class_counts:
            return sum(data.class_counts)
        total = int(dataset.get("samples") or self.facts["train_examples"])
        return min(total, dataset.get("limit") or total)

    @property
    def regression(self) -> bool:
        return bool(self.facts["task"] == "regression")

    @property
    def epochs(self) -> int:
        """Those that were trained, which early stopping or a NaN may have cut short."""
        return self.summary.epochs

    @property
    def steps_per_epoch(self) -> int:
        """As it was measured, else by the examples and the batch size."""
        examples = max(1, self.train_examples)
        return self.signals.steps_per_epoch or math.ceil(examples / self.procedure.batch_size)

    @property
    def steps(self) -> int:
        """Steps of training in all."""
        return max(1, self.epochs) * self.steps_per_epoch

    @property
    def weight_changes(self) -> int:
        """How often the weights were changed: once a step, or once in several."""
        return max(1, self.steps // self.procedure.steps_per_update)

    @property
    def broken(self) -> bool:
        """Whether a loss was no number."""
        return self.summary.non_finite_epoch is not None

    @property
    def train_value(self) -> float | None:
        """Accuracy, or R2, of the final weights on the training part."""
        return finite(self.metrics.get(f"train_{self.summary.metric}"))

    @property
    def fits(self) -> float | None:
        """The training part's result over chance, as a share of a perfect one."""
        chance = 0.0 if self.regression else self.summary.chance
        if self.train_value is None or chance is None or chance >= 1:
            return None
        return (self.train_value - chance) / (1 - chance)

    @property
    def fits_well(self) -> bool:
        """Whether the training part was learned: then nothing kept the run from optimising."""
        return self.fits is not None and self.fits > _FITTED

    @property
    def even_loss(self) -> float | None:
        """The loss of a model that answers every example alike, as well as it can: ln C, Var(y).

        None for losses that have no such number.
        """
        data = self.signals.data
        if self.procedure.has_even_loss:
            binary = self.procedure.loss_kind == "binary"
            return math.log(2 if binary else max(2, self.classes))
        if self.procedure.loss != "mean_squared_error" or data is None or not self.regression:
            return None
        square, mean = finite(data.target_mean_square), finite(data.target_mean)
        return None if square is None or mean is None else max(square - mean * mean, 0.0)

    @property
    def falling(self) -> bool:
        """Whether the training loss still falls at the end."""
        return still_falling(self.curve.get("loss", ()))

    @property
    def losses(self) -> Sequence[float]:
        """The training loss of each epoch, up to the first that is missing or no number."""
        found: list[float] = []
        for loss in self.curve.get("loss", ()):
            if finite(loss) is None:
                break
            found.append(float(loss or 0.0))
        return found

    @property
    def smooth(self) -> bool:
        """Whether the training loss hardly ever rose from one epoch to the next."""
        rises = [b > a * 1.02 + 1e-9 for a, b in zip(self.losses, self.losses[1:], strict=False)]
        return not self.broken and sum(rises) <= len(rises) / 5
