"""What all metrics have in common."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from contract.experiment.base import Part, in_lower_case

# How labels meet outputs: a row of 0 and 1 for the class; its number; two classes in one output;
# a row of 0 and 1 for several labels; quantities.
Form = Literal["one_hot", "sparse", "binary", "multi_label", "regression"]
SHARES: tuple[Form, ...] = ("one_hot", "binary", "multi_label")
ROWS: tuple[Form, ...] = (*SHARES, "regression")

MetricName = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")]
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Threshold = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class KerasMetric(Part):
    namespace: ClassVar[str] = "metrics"
    # What it may be called besides its name.
    short: ClassVar[tuple[str, ...]] = ()
    # What Keras calls it, where that is not its name in lower case.
    called: ClassVar[str] = ""
    fits: ClassVar[tuple[Form, ...]]
    # What `mode="auto"` of Keras' callbacks makes of it; None where that cannot tell.
    maximized: ClassVar[bool | None]

    type: str
    name: MetricName | None = Field(
        None, description="what it is called in curves and results; null is as Keras calls it"
    )

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

    def held(self, outputs: int) -> int:
        """Numbers that it keeps for an example while a batch is in flight."""
        return outputs

    def faults(self, form: Form, outputs: int, classes: int | None) -> Iterator[tuple[str, str]]:
        """Arguments with which it tells nothing of such a model, and why; "" is the metric."""
        del form, outputs, classes
        return iter(())
