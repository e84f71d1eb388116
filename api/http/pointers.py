"""From pydantic's locations to places in the document that the user sent.

Between the fields, a location has what a value of a union was read as ("Dense", "<number>"), which
the document does not have.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from contract.experiment import pointers
from contract.experiment.pointers import Path
from contract.experiment.unions import KINDS

Models = tuple[type[BaseModel], ...]

_KEY_LENGTH = 100
# How pydantic says that it is the key of an entry that is at fault.
_NO_FIELD = (*KINDS, "[key]")


@dataclass(frozen=True)
class Located:
    """An error at its place; `owner` is the model whose field it speaks of, if only one can be."""

    path: Path
    error: Mapping[str, Any]
    owner: type[BaseModel] | None = None


def pointer(path: Path) -> str:
    """RFC 6901, but that a key of more than 100 characters is cut: it is nobody's field.

    Unpaired surrogates, which JSON can name but UTF-8 cannot hold, are spelt out.
    """
    joined = pointers.join(str(step)[:_KEY_LENGTH] for step in path)
    return joined.encode("utf-8", "backslashreplace").decode()


def locate(error: Mapping[str, Any], root: type[BaseModel]) -> Located:
    """`error`'s place in a body that was read as a `root`."""
    location: Path = error["loc"][1:]  # without "body"
    # A field that is missing, or that should not be there, may have any name.
    named = location[-1:] if error["type"] in ("missing", "extra_forbidden") else ()
    path: Path = ()
    models: Models = (root,)
    for step in location[: len(location) - len(named)]:
        if step in _NO_FIELD:
            continue
        if len(models) > 1 and isinstance(step, str):
            models = tuple(model for model in models if model.__name__ == step)
            continue
        path = (*path, step)
        if isinstance(step, str):
            models = _inside(models, step)
    return Located((*path, *named), error, models[0] if len(models) == 1 else None)


def _inside(models: Models, step: str) -> Models:
    """The models of which one is the value of a field. The key of an entry leads no deeper."""
    owner = next((model for model in models if step in model.model_fields), None)
    return models if owner is None else _of_field(owner, step)


@cache
def _of_field(owner: type[BaseModel], field: str) -> Models:
    return tuple(_models(owner.model_fields[field].annotation))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def located(errors: Sequence[Mapping[str, Any]], root: type[BaseModel]) -> list[Located]:
    """The first of each place: a mapping's key may be at fault, and its value, too."""
    places: dict[Path, Located] = {}
    for error in errors:
        if not _echoes(error):
            found = locate(error, root)
            places.setdefault(found.path, found)
    return list(places.values())


def _echoes(error: Mapping[str, Any]) -> bool:
    """A list whose items were refused is then too short, pydantic says; the items say it better."""
    if error["type"] != "too_short":
        return False
    return len(error["input"]) > int(error["ctx"]["actual_length"])


@dataclass(frozen=True)
class Source:
    """A body as pydantic saw it: its errors are about `document`, read as a `root`.

    `overrides` is None unless a recipe was changed by them to what `document` is. `keras` are the
    members of the body that were translated from Keras' own JSON.
    """

    root: type[BaseModel]
    document: Any
    overrides: Mapping[str, Any] | None = None
    keras: Sequence[str] = ()

    def place(self, path: Path) -> Path:
        """Where the body decides on the experiment's `path`: there, above it, or by its recipe."""
        if path and path[0] in self.keras:
            return path[:1]
        if self.overrides is None or not path:
            return path
        depth = pointers.depth(self.overrides, path)
        if depth == 0:
            return ("recipe",)
        # A field that is missing is named, as it would be without a recipe.
        shown = len(path) if depth == len(path) - 1 else depth
        return ("overrides", *path[:shown])

    def blame(self, path: Path, detail: str) -> tuple[Path, str]:
        """The place of a fault, and `detail` with what that place does not say."""
        place = self.place(path)
        if place[len(place) - len(path) :] == path:
            return place, detail
        return place, f"{pointer(path)} of the experiment: {detail}"
