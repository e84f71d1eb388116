"""What cannot be translated, and where it stands in the document."""

from typing import Any, TypeVar

from contract.experiment.pointers import Path

T = TypeVar("T")


class Untranslatable(Exception):
    """`path` leads to the place in Keras' own JSON."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(detail)
        self.path = path
        self.detail = detail


def expect(value: Any, kind: type[T], path: Path, told: str) -> T:
    """`value`, which is of `kind`. Raises Untranslatable, which says `told` was expected."""
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise Untranslatable(path, f"expected {told}, as model.to_json() writes it")
