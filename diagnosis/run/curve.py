"""What a run's curve alone says of it: how far it came, and whether that is anything at all."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from diagnosis.report import Verdict
from diagnosis.run.chance import Task, chance_of, is_at_chance
from diagnosis.run.series import Series, best, finite, first_non_finite, last, still_falling

_NAMES = {"accuracy": "accuracy", "r2": "R2"}


@dataclass(frozen=True)
class Summary:
    """`value` is the test accuracy, or R2 for regression, of the final weights.

    `best_value` is the largest at an epoch's end, by `best_on` (validation where there is any);
    `gap` is training minus validation in the last epoch. A number that is missing or not finite
    is None. `non_finite_epoch` is the first whose loss was; 0 where only the final losses are.
    """

    metric: Literal["accuracy", "r2"]
    stop_reason: str
    epochs: int
    value: float | None
    best_value: float | None
    best_epoch: int | None
    best_on: Literal["validation", "training"]
    gap: float | None
    still_falling: bool
    non_finite_epoch: int | None
    non_finite_value: Literal["NaN", "infinite"] | None
    chance: float | None
    at_chance: bool

    @property
    def verdict(self) -> Verdict:
        """What a curve alone decides: a run that failed. That a run is healthy takes more."""
        failed = self.non_finite_epoch is not None or self.at_chance
        return "unhealthy" if failed else "undetermined"

    @property
    def reached(self) -> str:
        """How far the run came, without a full stop."""
        if self.non_finite_epoch is not None:
            return f"{self._breakdown()}; {self._on_test()}"
        when = f"{self._on_test()} after {self.epochs} {'epoch' if self.epochs == 1 else 'epochs'}"
        early = " (stopped early)" if self.stop_reason == "early_stopping" else ""
        said = f"{when}{early}{self._at_chance()}"
        return said[0].upper() + said[1:]

    @property
    def headline(self) -> str:
        """One sentence for people, of a run that nothing else is known of."""
        failed = self.non_finite_epoch is not None or self.at_chance
        return f"{self.reached}{'' if failed else self._course()}."

    def to_dict(self) -> dict[str, Any]:
        """All fields with verdict and headline, ready for JSON."""
        return {"verdict": self.verdict, "headline": self.headline, **asdict(self)}

    def _breakdown(self) -> str:
        if self.non_finite_epoch == 0:
            return f"The loss of the final weights is {self.non_finite_value}"
        return f"The loss became {self.non_finite_value} in epoch {self.non_finite_epoch}"

    def _on_test(self) -> str:
        return "no result on test" if self.value is None else f"{self._show(self.value)} on test"

    def _at_chance(self) -> str:
        if self.at_chance and self.chance is not None:
            return f", no better than chance ({100 * self.chance:.3g} %)"
        return ", no better than always answering the mean" if self.at_chance else ""

    def _course(self) -> str:
        parts = ""
        if self.best_value is not None:
            shown = self._show(self.best_value).removeprefix("R2 ")
            name = f"{self.best_on} {_NAMES[self.metric]}"
            parts = f", best {name} {shown} in epoch {self.best_epoch}"
        return f"{parts}, loss still falling" if self.still_falling else parts

    def _show(self, value: float) -> str:
        return f"{100 * value:.1f} %" if self.metric == "accuracy" else f"R2 {value:.3g}"


def summarise(
    *,
    task: Task,
    classes: int | None,
    test_examples: int,
    curve: Mapping[str, Series],
    metrics: Mapping[str, float | None],
    reason: str,
    class_counts: Sequence[int] = (),
) -> Summary:
    """Judge a run by its curve and its final metrics.

    `curve` has a number per epoch under Keras' names (loss, accuracy or r2, the same with val_),
    `metrics` test_accuracy or test_r2 and the final losses; both may have gaps and numbers that
    are not finite. `class_counts` are the test examples of each class, or those that have each
    label, where they are known.
    """
    metric: Literal["accuracy", "r2"] = "r2" if task == "regression" else "accuracy"
    value = finite(metrics.get(f"test_{metric}"))
    on_validation = best(curve.get(f"val_{metric}", ()))
    best_point = on_validation or best(curve.get(metric, ()))
    epochs = max(map(len, curve.values()), default=0)
    broken = _breakdown(curve, metrics, epochs, reason)
    chance = chance_of(task, classes, class_counts, test_examples)
    answers = test_examples * (len(class_counts) if task == "multi_label" else 1)
    return Summary(
        metric=metric,
        stop_reason=reason,
        epochs=epochs,
        value=value,
        best_value=best_point[1] if best_point else None,
        best_epoch=best_point[0] if best_point else None,
        best_on="validation" if on_validation else "training",
        gap=_gap(curve, metric),
        still_falling=still_falling(curve.get("val_loss") or curve.get("loss", ())),
        non_finite_epoch=broken[0] if broken else None,
        non_finite_value=broken[1] if broken else None,
        chance=chance,
        at_chance=is_at_chance(task, value, chance, answers),
    )


def _breakdown(
    curve: Mapping[str, Series], metrics: Mapping[str, float | None], epochs: int, reason: str
) -> tuple[int, Literal["NaN", "infinite"]] | None:
    """The first epoch with a loss that is no number, and which; 0 for the final losses."""
    found = [
        (epoch, value)
        for name in ("loss", "val_loss")
        if (epoch := first_non_finite(curve.get(name, ()))) is not None
        and (value := curve[name][epoch - 1]) is not None
    ]
    if not found:
        final = [metrics.get(name) for name in ("train_loss", "test_loss")]
        found = [(0, value) for value in final if value is not None and not math.isfinite(value)]
    if not found and reason == "non_finite":
        found = [(epochs + 1, math.nan)]  # it ended the epoch before that was recorded
    if not found:
        return None
    epoch, value = min(found, key=lambda point: point[0])
    return epoch, "NaN" if math.isnan(value) else "infinite"


def _gap(curve: Mapping[str, Series], metric: str) -> float | None:
    training, validation = last(curve.get(metric, ())), last(curve.get(f"val_{metric}", ()))
    if training is None or validation is None:
        return None
    return finite(training - validation)
