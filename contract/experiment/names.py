"""Names that stand for an object with Keras' defaults, where Keras takes a name or an object."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from contract.experiment.base import Part


def name_of(names: Mapping[str, type[Part]], read: Callable[[str], str]) -> Any:
    """The type of one of `names`; what is given is one of them as `read` has it."""

    def known(given: object) -> object:
        return read(given) if isinstance(given, str) else given

    return Annotated[Literal[tuple(names)], BeforeValidator(known)]


def object_named(names: Mapping[str, type[Part]], read: Callable[[str], str]) -> Any:
    """The same, but that the value is the object that the name stands for."""

    def made(name: str) -> Part:
        return names[name].model_validate({"type": names[name].__name__})

    return Annotated[name_of(names, read), AfterValidator(made)]


def also_by_class(
    names: Mapping[str, type[Part]], others: Mapping[str, str] | None = None
) -> Callable[[str], str]:
    """Reads a class' own name, and `others` that Keras knows, as the name in `names`."""
    known = {kind.__name__: name for name, kind in names.items()} | (dict(others) if others else {})

    def read(given: str) -> str:
        return known.get(given, given)

    return read
