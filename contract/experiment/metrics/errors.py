"""Errors of quantities or of probabilities, and how alike the two sides are."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from typing_extensions import override

from contract.experiment.base import Flag, Fraction, Whole
from contract.experiment.metrics.metric import ROWS, SHARES, Form, KerasMetric


class MeanSquaredError(KerasMetric):
    short: ClassVar[tuple[str, ...]] = ("mse", "MSE")
    fits: ClassVar[tuple[Form, ...]] = ROWS
    maximized: ClassVar[bool | None] = False

    type: Literal["MeanSquaredError"]


class RootMeanSquaredError(KerasMetric):
    fits: ClassVar[tuple[Form, ...]] = ROWS
    maximized: ClassVar[bool | None] = False

    type: Literal["RootMeanSquaredError"]


class MeanAbsoluteError(KerasMetric):
    short: ClassVar[tuple[str, ...]] = ("mae", "MAE")
    fits: ClassVar[tuple[Form, ...]] = ROWS
    maximized: ClassVar[bool | None] = False

    type: Literal["MeanAbsoluteError"]


class MeanAbsolutePercentageError(KerasMetric):
    short: ClassVar[tuple[str, ...]] = ("mape", "MAPE")
    fits: ClassVar[tuple[Form, ...]] = ("regression",)
    maximized: ClassVar[bool | None] = False

    type: Literal["MeanAbsolutePercentageError"]


class MeanSquaredLogarithmicError(KerasMetric):
    short: ClassVar[tuple[str, ...]] = ("msle", "MSLE")
    fits: ClassVar[tuple[Form, ...]] = ROWS
    maximized: ClassVar[bool | None] = False

    type: Literal["MeanSquaredLogarithmicError"]


class LogCoshError(KerasMetric):
    short: ClassVar[tuple[str, ...]] = ("log_cosh",)
    called: ClassVar[str] = "logcosh"
    fits: ClassVar[tuple[Form, ...]] = ROWS
    maximized: ClassVar[bool | None] = False

    type: Literal["LogCoshError"]


class CosineSimilarity(KerasMetric):
    fits: ClassVar[tuple[Form, ...]] = ROWS
    maximized: ClassVar[bool | None] = True

    type: Literal["CosineSimilarity"]


class R2Score(KerasMetric):
    fits: ClassVar[tuple[Form, ...]] = ROWS
    maximized: ClassVar[bool | None] = True

    type: Literal["R2Score"]
    class_aggregation: Literal["uniform_average", "variance_weighted_average"] | None = (
        "uniform_average"
    )
    num_regressors: Whole = 0

    @override
    def numbers(self, outputs: int) -> int | None:
        return outputs if self.class_aggregation is None and outputs > 1 else None


class _Correlation(KerasMetric):
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


class Hinge(KerasMetric):
    fits: ClassVar[tuple[Form, ...]] = SHARES
    maximized: ClassVar[bool | None] = False

    type: Literal["Hinge"]


class SquaredHinge(KerasMetric):
    fits: ClassVar[tuple[Form, ...]] = SHARES
    maximized: ClassVar[bool | None] = False

    type: Literal["SquaredHinge"]


class CategoricalHinge(KerasMetric):
    fits: ClassVar[tuple[Form, ...]] = ("one_hot",)
    maximized: ClassVar[bool | None] = False

    type: Literal["CategoricalHinge"]


class KLDivergence(KerasMetric):
    fits: ClassVar[tuple[Form, ...]] = ("one_hot", "regression")
    maximized: ClassVar[bool | None] = False

    type: Literal["KLDivergence"]

    @property
    @override
    def takes_probabilities(self) -> bool:
        return True


class Poisson(KerasMetric):
    fits: ClassVar[tuple[Form, ...]] = ROWS
    maximized: ClassVar[bool | None] = False

    type: Literal["Poisson"]

    @property
    @override
    def takes_probabilities(self) -> bool:
        return True


class _Crossentropy(KerasMetric):
    maximized: ClassVar[bool | None] = False

    from_logits: Flag = False

    @property
    @override
    def takes_probabilities(self) -> bool:
        return not self.from_logits


class BinaryCrossentropy(_Crossentropy):
    short: ClassVar[tuple[str, ...]] = ("bce", "BCE")
    fits: ClassVar[tuple[Form, ...]] = ROWS

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
