"""Counts of what is above a threshold and should be, and what follows from them."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from contract.experiment.base import Flag, NonNegative, Positive, Whole
from contract.experiment.metrics.metric import SHARES, Form, KerasMetric, Share
from contract.experiment.unions import ByKind

# Each costs a run a pass over the batch, and a column of the curves.
_Thresholds = Annotated[tuple[Share, ...], Field(min_length=1, max_length=50)]
# Of the outputs for each threshold.
_COPIES = 3
# Of an AUC for each output: it has four counts for each.
_MOST_BUCKETS = 1_000_000
_Buckets = Annotated[int, Field(strict=True, ge=1, le=10_000)]


class _Thresholded(KerasMetric):
    fits: ClassVar[tuple[Form, ...]] = SHARES

    thresholds: Annotated[Share | _Thresholds, ByKind()] | None = None

    @property
    @override
    def takes_probabilities(self) -> bool:
        return True

    @override
    def numbers(self, outputs: int) -> int | None:
        listed = self.thresholds if isinstance(self.thresholds, tuple) else ()
        return len(listed) if len(listed) > 1 else None

    @override
    def held(self, outputs: int) -> int:
        return _COPIES * outputs * (self.numbers(outputs) or 1)


class TruePositives(_Thresholded):
    maximized: ClassVar[bool | None] = None

    type: Literal["TruePositives"]


class TrueNegatives(_Thresholded):
    maximized: ClassVar[bool | None] = None

    type: Literal["TrueNegatives"]


class FalsePositives(_Thresholded):
    maximized: ClassVar[bool | None] = None

    type: Literal["FalsePositives"]


class FalseNegatives(_Thresholded):
    maximized: ClassVar[bool | None] = None

    type: Literal["FalseNegatives"]


def _class_fault(class_id: int | None, outputs: int) -> Iterator[tuple[str, str]]:
    if class_id is not None and class_id >= outputs:
        yield "class_id", f"the outputs are numbered 0 to {outputs - 1}; received {class_id}"


class _OfClass(_Thresholded):
    """`top_k` counts the outputs that are among the k largest of their row alone."""

    maximized: ClassVar[bool | None] = True

    top_k: Annotated[int, Field(strict=True, ge=1, le=1_000)] | None = None
    class_id: Whole | None = None

    @property
    @override
    def takes_probabilities(self) -> bool:
        return self.top_k is None or self.thresholds is not None

    @override
    def held(self, outputs: int) -> int:
        return super().held(outputs) + outputs * (self.top_k or 0)

    @override
    def faults(self, form: Form, outputs: int, classes: int | None) -> Iterator[tuple[str, str]]:
        yield from _class_fault(self.class_id, outputs)
        if self.top_k is not None and self.top_k > outputs:
            yield "top_k", f"the model has {outputs} output(s); received {self.top_k}"


class Precision(_OfClass):
    type: Literal["Precision"]


class Recall(_OfClass):
    type: Literal["Recall"]


class _AtPoint(KerasMetric):
    """The best of one share among the thresholds at which another is high enough."""

    fits: ClassVar[tuple[Form, ...]] = SHARES
    maximized: ClassVar[bool | None] = True

    num_thresholds: _Buckets = 200
    class_id: Whole | None = None

    @property
    @override
    def takes_probabilities(self) -> bool:
        return True

    @override
    def faults(self, form: Form, outputs: int, classes: int | None) -> Iterator[tuple[str, str]]:
        yield from _class_fault(self.class_id, outputs)


class SensitivityAtSpecificity(_AtPoint):
    type: Literal["SensitivityAtSpecificity"]
    specificity: Share


class SpecificityAtSensitivity(_AtPoint):
    type: Literal["SpecificityAtSensitivity"]
    sensitivity: Share


class PrecisionAtRecall(_AtPoint):
    type: Literal["PrecisionAtRecall"]
    recall: Share


class RecallAtPrecision(_AtPoint):
    type: Literal["RecallAtPrecision"]
    precision: Share


class AUC(KerasMetric):
    fits: ClassVar[tuple[Form, ...]] = SHARES
    maximized: ClassVar[bool | None] = True

    type: Literal["AUC"]
    num_thresholds: Annotated[int, Field(strict=True, ge=2, le=10_000)] = 200
    curve: Literal["ROC", "PR", "PRGAIN"] = "ROC"
    summation_method: Literal["interpolation", "minoring", "majoring"] = "interpolation"
    thresholds: _Thresholds | None = None
    multi_label: Flag = False
    num_labels: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    label_weights: Annotated[tuple[NonNegative, ...], Field(min_length=1)] | None = None
    from_logits: Flag = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.num_labels is not None and not self.multi_label:
            raise ValueError("num_labels belongs to multi_label: leave it out, or set that")
        return self

    @property
    @override
    def takes_probabilities(self) -> bool:
        return not self.from_logits

    @override
    def held(self, outputs: int) -> int:
        return _COPIES * outputs * len(self.thresholds or (0,))

    @override
    def faults(self, form: Form, outputs: int, classes: int | None) -> Iterator[tuple[str, str]]:
        if self.multi_label and (buckets := self.num_thresholds * outputs) > _MOST_BUCKETS:
            detail = f"{self.num_thresholds:,} for each of {outputs:,} outputs are {buckets:,}"
            yield "num_thresholds", f"{detail}, and {_MOST_BUCKETS:,} are the most: take less"
        if self.num_labels not in (None, outputs):
            yield "num_labels", f"expected {outputs}, the model's outputs; leave it out"
        if self.label_weights is not None and len(self.label_weights) != outputs:
            yield (
                "label_weights",
                f"expected {outputs} weights, one for each of the model's outputs",
            )


class _FScore(KerasMetric):
    fits: ClassVar[tuple[Form, ...]] = SHARES
    maximized: ClassVar[bool | None] = True

    average: Literal["micro", "macro", "weighted"] | None = None
    threshold: Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False)] | None = Field(
        None, description="above which an output is a yes; null is the largest one alone"
    )

    @property
    @override
    def takes_probabilities(self) -> bool:
        return self.threshold is not None

    @override
    def numbers(self, outputs: int) -> int | None:
        return outputs if self.average is None and outputs > 1 else None

    @override
    def faults(self, form: Form, outputs: int, classes: int | None) -> Iterator[tuple[str, str]]:
        if form == "binary" and self.threshold is None:
            yield (
                "threshold",
                "without it the largest output of a row is a yes, as an only one is: set it to 0.5",
            )


class F1Score(_FScore):
    type: Literal["F1Score"]


class FBetaScore(_FScore):
    called: ClassVar[str] = "fbeta_score"

    type: Literal["FBetaScore"]
    beta: Positive = 1.0
