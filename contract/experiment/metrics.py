"""Metrics that may be asked for: a class each, with name, arguments and defaults of Keras' own.

A new one is a class here. It is posted by a name that `model.compile` takes, or as an object. What
is measured of every run, asked for or not, is in `contract.experiment.measured`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator
from typing_extensions import override

from contract.experiment.base import (
    Flag,
    Fraction,
    NonNegative,
    Part,
    Positive,
    Whole,
    any_of,
    in_lower_case,
    kinds,
)
from contract.experiment.unions import ByKind

# How labels meet outputs: a row of 0 and 1 for the class; its number; two classes in one output;
# a row of 0 and 1 for several labels; quantities.
Form = Literal["one_hot", "sparse", "binary", "multi_label", "regression"]
_SHARES: tuple[Form, ...] = ("one_hot", "binary", "multi_label")
_ROWS: tuple[Form, ...] = (*_SHARES, "regression")

MetricName = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")]
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
# Each costs a run a pass over the batch, and a column of the curves.
_Thresholds = Annotated[tuple[Share, ...], Field(min_length=1, max_length=50)]
_Buckets = Annotated[int, Field(strict=True, ge=1, le=10_000)]
_Classes = Annotated[int, Field(strict=True, ge=2, le=1_000)]
_ClassIds = Annotated[tuple[Whole, ...], Field(min_length=1, max_length=1_000)]


class _Metric(Part):
    namespace: ClassVar[str] = "metrics"
    # What it may be called besides its name.
    short: ClassVar[tuple[str, ...]] = ()
    # What Keras calls it, where that is not its name in lower case.
    called: ClassVar[str] = ""
    fits: ClassVar[tuple[Form, ...]]
    # What `mode="auto"` of Keras' callbacks makes of it; None where that cannot tell.
    maximized: ClassVar[bool | None]

    type: str
    name: MetricName | None = None

    def __init_subclass__(cls) -> None:
        # Losses have the same names, and the description of the API tells classes by their names.
        cls.__qualname__ = f"{cls.__name__}Metric"

    @property
    def column(self) -> str:
        """What it is called in curves and results."""
        return self.name or self.called or in_lower_case(self.type)

    @property
    def takes_probabilities(self) -> bool:
        """Whether logits would be nonsense to it."""
        return False

    def numbers(self, outputs: int) -> int | None:
        """How many it gives, of so many outputs; None is one that is no list."""
        del outputs
        return None

    def faults(self, form: Form, outputs: int, classes: int | None) -> Iterator[tuple[str, str]]:
        """Arguments with which it tells nothing of such a model, and why; "" is the metric."""
        del form, outputs, classes
        return iter(())


# How often the outputs are right.


class BinaryAccuracy(_Metric):
    fits: ClassVar[tuple[Form, ...]] = _SHARES
    maximized: ClassVar[bool | None] = True

    type: Literal["BinaryAccuracy"]
    threshold: Annotated[float, Field(strict=True, allow_inf_nan=False)] = 0.5


class CategoricalAccuracy(_Metric):
    fits: ClassVar[tuple[Form, ...]] = ("one_hot",)
    maximized: ClassVar[bool | None] = True

    type: Literal["CategoricalAccuracy"]


class SparseCategoricalAccuracy(_Metric):
    fits: ClassVar[tuple[Form, ...]] = ("sparse",)
    maximized: ClassVar[bool | None] = True

    type: Literal["SparseCategoricalAccuracy"]


class _TopK(_Metric):
    maximized: ClassVar[bool | None] = True

    k: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 5

    @override
    def faults(self, form: Form, outputs: int, classes: int | None) -> Iterator[tuple[str, str]]:
        if self.k >= outputs:
            yield (
                "k",
                f"the right one of {outputs} outputs is always among the first {self.k}: take less",
            )


class TopKCategoricalAccuracy(_TopK):
    fits: ClassVar[tuple[Form, ...]] = ("one_hot",)

    type: Literal["TopKCategoricalAccuracy"]


class SparseTopKCategoricalAccuracy(_TopK):
    fits: ClassVar[tuple[Form, ...]] = ("sparse",)

    type: Literal["SparseTopKCategoricalAccuracy"]


# Counts of what is above a threshold, and shares of them.


class _Thresholded(_Metric):
    fits: ClassVar[tuple[Form, ...]] = _SHARES

    thresholds: Annotated[Share | _Thresholds, ByKind()] | None = None

    @property
    @override
    def takes_probabilities(self) -> bool:
        return True

    @override
    def numbers(self, outputs: int) -> int | None:
        listed = self.thresholds if isinstance(self.thresholds, tuple) else ()
        return len(listed) if len(listed) > 1 else None


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
    def faults(self, form: Form, outputs: int, classes: int | None) -> Iterator[tuple[str, str]]:
        yield from _class_fault(self.class_id, outputs)
        if self.top_k is not None and self.top_k > outputs:
            yield "top_k", f"the model has {outputs} output(s); received {self.top_k}"


class Precision(_OfClass):
    type: Literal["Precision"]


class Recall(_OfClass):
    type: Literal["Recall"]


class _AtPoint(_Metric):
    """The best of one share among the thresholds at which another is high enough."""

    fits: ClassVar[tuple[Form, ...]] = _SHARES
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


class AUC(_Metric):
    fits: ClassVar[tuple[Form, ...]] = _SHARES
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
    def faults(self, form: Form, outputs: int, classes: int | None) -> Iterator[tuple[str, str]]:
        if self.num_labels not in (None, outputs):
            yield "num_labels", f"expected {outputs}, the model's outputs; leave it out"
        if self.label_weights is not None and len(self.label_weights) != outputs:
            yield (
                "label_weights",
                f"expected {outputs} weights, one for each of the model's outputs",
            )


class _FScore(_Metric):
    fits: ClassVar[tuple[Form, ...]] = _SHARES
    maximized: ClassVar[bool | None] = True

    average: Literal["micro", "macro", "weighted"] | None = None
    threshold: Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False)] | None = None

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


# Intersection over union.


class _Overlap(_Metric):
    maximized: ClassVar[bool | None] = True

    num_classes: _Classes
    ignore_class: Whole | None = None
    sparse_y_pred: Flag

    @override
    def faults(self, form: Form, outputs: int, classes: int | None) -> Iterator[tuple[str, str]]:
        if classes is not None and self.num_classes < classes:
            yield "num_classes", f"expected at least {classes}, as many as there are"
        if self.sparse_y_pred:
            yield (
                "sparse_y_pred",
                "the model gives a number for each class, not the number of one: set it to false",
            )


class _AnyOverlap(_Overlap):
    fits: ClassVar[tuple[Form, ...]] = ("sparse", "one_hot")

    sparse_y_true: Flag = True
    sparse_y_pred: Flag = True

    @override
    def faults(self, form: Form, outputs: int, classes: int | None) -> Iterator[tuple[str, str]]:
        yield from super().faults(form, outputs, classes)
        if self.sparse_y_true != (form == "sparse"):
            right = str(form == "sparse").lower()
            yield "sparse_y_true", f"the loss decides how labels are laid out: set it to {right}"


class _OneHotOverlap(_Overlap):
    fits: ClassVar[tuple[Form, ...]] = ("one_hot",)

    sparse_y_pred: Flag = False


class _OfClasses(_Metric):
    target_class_ids: _ClassIds

    @model_validator(mode="after")
    def _fits(self) -> Self:
        classes = getattr(self, "num_classes", 2)
        if max(self.target_class_ids) >= classes:
            raise ValueError(
                f"target_class_ids must be below {classes}; received {list(self.target_class_ids)}"
            )
        return self


class IoU(_OfClasses, _AnyOverlap):
    type: Literal["IoU"]


class MeanIoU(_AnyOverlap):
    type: Literal["MeanIoU"]


class OneHotIoU(_OfClasses, _OneHotOverlap):
    type: Literal["OneHotIoU"]


class OneHotMeanIoU(_OneHotOverlap):
    type: Literal["OneHotMeanIoU"]


class BinaryIoU(_OfClasses):
    fits: ClassVar[tuple[Form, ...]] = _SHARES
    maximized: ClassVar[bool | None] = True

    type: Literal["BinaryIoU"]
    target_class_ids: _ClassIds = (0, 1)
    threshold: Annotated[float, Field(strict=True, allow_inf_nan=False)] = 0.5


# Errors of quantities, or of probabilities.


class MeanSquaredError(_Metric):
    short: ClassVar[tuple[str, ...]] = ("mse", "MSE")
    fits: ClassVar[tuple[Form, ...]] = _ROWS
    maximized: ClassVar[bool | None] = False

    type: Literal["MeanSquaredError"]


class RootMeanSquaredError(_Metric):
    fits: ClassVar[tuple[Form, ...]] = _ROWS
    maximized: ClassVar[bool | None] = False

    type: Literal["RootMeanSquaredError"]


class MeanAbsoluteError(_Metric):
    short: ClassVar[tuple[str, ...]] = ("mae", "MAE")
    fits: ClassVar[tuple[Form, ...]] = _ROWS
    maximized: ClassVar[bool | None] = False

    type: Literal["MeanAbsoluteError"]


class MeanAbsolutePercentageError(_Metric):
    short: ClassVar[tuple[str, ...]] = ("mape", "MAPE")
    fits: ClassVar[tuple[Form, ...]] = ("regression",)
    maximized: ClassVar[bool | None] = False

    type: Literal["MeanAbsolutePercentageError"]


class MeanSquaredLogarithmicError(_Metric):
    short: ClassVar[tuple[str, ...]] = ("msle", "MSLE")
    fits: ClassVar[tuple[Form, ...]] = _ROWS
    maximized: ClassVar[bool | None] = False

    type: Literal["MeanSquaredLogarithmicError"]


class LogCoshError(_Metric):
    short: ClassVar[tuple[str, ...]] = ("log_cosh",)
    called: ClassVar[str] = "logcosh"
    fits: ClassVar[tuple[Form, ...]] = _ROWS
    maximized: ClassVar[bool | None] = False

    type: Literal["LogCoshError"]


class CosineSimilarity(_Metric):
    fits: ClassVar[tuple[Form, ...]] = _ROWS
    maximized: ClassVar[bool | None] = True

    type: Literal["CosineSimilarity"]


class R2Score(_Metric):
    fits: ClassVar[tuple[Form, ...]] = _ROWS
    maximized: ClassVar[bool | None] = True

    type: Literal["R2Score"]
    class_aggregation: Literal["uniform_average", "variance_weighted_average"] | None = (
        "uniform_average"
    )
    num_regressors: Whole = 0

    @override
    def numbers(self, outputs: int) -> int | None:
        return outputs if self.class_aggregation is None and outputs > 1 else None


class _Correlation(_Metric):
    """Among the numbers of one example."""

    fits: ClassVar[tuple[Form, ...]] = ("one_hot", "regression")
    maximized: ClassVar[bool | None] = True

    @override
    def faults(self, form: Form, outputs: int, classes: int | None) -> Iterator[tuple[str, str]]:
        if outputs < 2:
            yield "", "it is that of the outputs of one example, and the model has one output"


class PearsonCorrelation(_Correlation):
    type: Literal["PearsonCorrelation"]


class ConcordanceCorrelation(_Correlation):
    type: Literal["ConcordanceCorrelation"]


class Hinge(_Metric):
    fits: ClassVar[tuple[Form, ...]] = _SHARES
    maximized: ClassVar[bool | None] = False

    type: Literal["Hinge"]


class SquaredHinge(_Metric):
    fits: ClassVar[tuple[Form, ...]] = _SHARES
    maximized: ClassVar[bool | None] = False

    type: Literal["SquaredHinge"]


class CategoricalHinge(_Metric):
    fits: ClassVar[tuple[Form, ...]] = ("one_hot",)
    maximized: ClassVar[bool | None] = False

    type: Literal["CategoricalHinge"]


class KLDivergence(_Metric):
    fits: ClassVar[tuple[Form, ...]] = ("one_hot", "regression")
    maximized: ClassVar[bool | None] = False

    type: Literal["KLDivergence"]

    @property
    @override
    def takes_probabilities(self) -> bool:
        return True


class Poisson(_Metric):
    fits: ClassVar[tuple[Form, ...]] = _ROWS
    maximized: ClassVar[bool | None] = False

    type: Literal["Poisson"]

    @property
    @override
    def takes_probabilities(self) -> bool:
        return True


class _Crossentropy(_Metric):
    maximized: ClassVar[bool | None] = False

    from_logits: Flag = False

    @property
    @override
    def takes_probabilities(self) -> bool:
        return not self.from_logits


class BinaryCrossentropy(_Crossentropy):
    short: ClassVar[tuple[str, ...]] = ("bce", "BCE")
    fits: ClassVar[tuple[Form, ...]] = _ROWS

    type: Literal["BinaryCrossentropy"]
    label_smoothing: Fraction = 0.0


class CategoricalCrossentropy(_Crossentropy):
    fits: ClassVar[tuple[Form, ...]] = ("one_hot",)

    type: Literal["CategoricalCrossentropy"]
    label_smoothing: Fraction = 0.0


class SparseCategoricalCrossentropy(_Crossentropy):
    fits: ClassVar[tuple[Form, ...]] = ("sparse",)

    type: Literal["SparseCategoricalCrossentropy"]
    ignore_class: Whole | None = None


KINDS = tuple(dict.fromkeys(kinds(_Metric)))
# Measured of each run with classes or labels, asked for or not; Keras has no one class for it.
ACCURACY = "accuracy"
# By all that `model.compile` knows them by; one that needs an argument has no name alone.
NAMES = {
    name: kind
    for kind in KINDS
    if not any(field.is_required() for key, field in kind.model_fields.items() if key != "type")
    for name in (in_lower_case(kind.__name__), kind.__name__, *kind.short)
}

if TYPE_CHECKING:
    KerasMetric: TypeAlias = _Metric
    GivenName: TypeAlias = str
else:
    KerasMetric = any_of(KINDS)
    GivenName = Literal[(ACCURACY, *NAMES)]
# As `model.compile` takes them.
Given = Annotated[GivenName | KerasMetric, ByKind()]


def named(given: Given) -> tuple[str, KerasMetric | None]:
    """What it is called, and the class with its arguments; None is accuracy.

    As in Keras, a name is called as it was written.
    """
    if not isinstance(given, str):
        return given.column, given
    kind = NAMES.get(given)
    return given, None if kind is None else kind(type=kind.__name__)
