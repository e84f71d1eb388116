"""What every piece of a spec has in common, and the number types that its fields use."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A piece of a spec: immutable, and a misspelt field is an error instead of a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The module of Keras that has the same by the same name; none where it is empty.
    namespace: ClassVar[str] = ""


# Strict: "100" and true are not numbers. An integer is accepted where a real is expected.
# The ceilings keep products of a few sizes inside 64 bits; the budget sets the real limits.
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000_000)]
Whole = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000_000)]
# Within float32, which is what TensorFlow computes in.
Real = Annotated[float, Field(strict=True, ge=-3e38, le=3e38, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, gt=0, le=3e38, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(strict=True, ge=0, le=3e38, allow_inf_nan=False)]
Fraction = Annotated[float, Field(strict=True, ge=0, lt=1, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
