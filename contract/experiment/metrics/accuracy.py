"""How often the outputs are right."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from contract.experiment.metrics.metric import SHARES, Form, KerasMetric, Threshold


class BinaryAccuracy(KerasMetric):
    fits: ClassVar[tuple[Form, ...]] = SHARES
    maximized: ClassVar[bool | None] = True

    type: Literal["BinaryAccuracy"]
    threshold: Threshold = Field(0.5, description="above which an output is a yes")


class CategoricalAccuracy(KerasMetric):
    fits: ClassVar[tuple[Form, ...]] = ("one_hot",)
    maximized: ClassVar[bool | None] = True

    type: Literal["CategoricalAccuracy"]


class SparseCategoricalAccuracy(KerasMetric):
    fits: ClassVar[tuple[Form, ...]] = ("sparse",)
    maximized: ClassVar[bool | None] = True

    type: Literal["SparseCategoricalAccuracy"]


class _TopK(KerasMetric):
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
