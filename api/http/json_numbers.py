"""Numbers in answers: those that JSON does not have are strings."""

from typing import Literal

Number = int | float | Literal["NaN", "Infinity", "-Infinity"] | None
