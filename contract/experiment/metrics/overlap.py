"""Intersection over union."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from contract.experiment.base import Flag, Whole
from contract.experiment.metrics.metric import SHARES, Form, KerasMetric, Threshold

_Classes = Annotated[int, Field(strict=True, ge=2, le=1_000)]
_ClassIds = Annotated[tuple[Whole, ...], Field(min_length=1, max_length=1_000)]


class _Overlap(KerasMetric):
    maximized: ClassVar[bool | None] = True

    num_classes: _Classes
    ignore_class: Whole | None = None
    sparse_y_pred: Flag

    @override
    def faults(self, form: Form, outputs: int, classes: int | None) -> Iterator[tuple[str, str]]:
        if classes is not None and self.num_classes < (least := max(classes, outputs)):
            yield "num_classes", f"expected at least {least}, as many as the model can name"
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


class _OfClasses(KerasMetric):
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
    fits: ClassVar[tuple[Form, ...]] = SHARES
    maximized: ClassVar[bool | None] = True

    type: Literal["BinaryIoU"]
    target_class_ids: _ClassIds = (0, 1)
    threshold: Threshold = Field(0.5, description="above which an output is a yes")
