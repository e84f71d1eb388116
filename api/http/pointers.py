"""From pydantic's locations to places in the document that the user sent.

A location holds names of union members ("Dense", "constrained-float") that the document does not
have, and a union answers with the errors of all its members. Here locations become paths into the
document, and a union keeps the errors of the member that was meant.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from pydantic import BaseModel

from contract.experiment.base import Part
from contract.experiment.spec import Experiment
from contract.sweeps import axes
from contract.sweeps.plan import Plan

Path = tuple[str | int, ...]

# How pydantic names the members of a union without tags; a tag is the object's own "type".
_MEMBER = re.compile(r"constrained-|(tagged-union|tuple|literal|function-\w+)\[")
_KEY_LENGTH = 100
_KINDS = ("float_type", "int_type", "model_attributes_type", "model_type", "tuple_type")


def _parts(part: type[Part]) -> Iterable[type[Part]]:
    for kind in part.__subclasses__():
        yield kind
        yield from _parts(kind)


_all: list[type[Part]] = [Experiment, Plan, *_parts(Part)]
# By class name, which for a member of a tagged union is its tag, and for one of another its name.
PARTS = {part.__name__: part for part in _all}


@dataclass(frozen=True)
class Located:
    """An error at its place. `union` is the path of the union of whose `member` it speaks."""

    path: Path
    error: Mapping[str, Any]
    union: Path | None = None
    member: str = ""

    @property
    def pointer(self) -> str:
        return pointer(self.path)

    @property
    def wrong_kind(self) -> bool:
        """Whether the member cannot have been meant: it takes a list, and a number came."""
        if self.path != self.union:
            return False
        if self.error["type"] == "literal_error":
            return not isinstance(self.error["input"], str)
        return self.error["type"] in _KINDS


def pointer(path: Path) -> str:
    """RFC 6901, but that a key of more than 100 characters is cut: it is nobody's field.

    Unpaired surrogates, which JSON can name but UTF-8 cannot hold, are spelt out.
    """
    parts = (str(part)[:_KEY_LENGTH].replace("~", "~0").replace("/", "~1") for part in path)
    joined = "".join(f"/{part}" for part in parts)
    return joined.encode("utf-8", "backslashreplace").decode()


def path_of(told: str) -> Path:
    """The path that `told`, a JSON pointer, names."""
    return tuple(int(part) if part.isdecimal() else part for part in axes.parts(told))


def locate(error: Mapping[str, Any], document: Any) -> Located:
    """`error`'s place in `document`, the body that it is about."""
    location: Path = error["loc"][1:]  # without "body"
    names_a_field = error["type"] in ("missing", "extra_forbidden")
    path: Path = ()
    union, member = None, ""
    value, tagged = document, False
    for left, part in zip(range(len(location) - 1, -1, -1), location, strict=True):
        if isinstance(part, str) and (left or not names_a_field):
            if not isinstance(value, dict) or _MEMBER.match(part) or _is_model(part, value):
                union, member = path, part
                continue
            if not tagged and part in PARTS and value.get("type") == part:
                tagged = True
                continue
        path, value, tagged = (*path, part), _entry(value, part), False
    return Located(path, error, union, member)


def _is_model(part: str, value: dict[str, Any]) -> bool:
    """Whether `part` names what an object was read as, in a union without tags."""
    return part in PARTS and part not in value and "type" not in value


def _entry(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None


def grouped(errors: Iterable[Mapping[str, Any]], document: Any) -> list[list[Located]]:
    """One group a field at fault. Several errors in one are those of a union that nothing fits."""
    groups: list[list[Located]] = []
    unions: dict[Path, list[Located]] = {}
    for error in errors:
        if _echoes(error):
            continue
        located = locate(error, document)
        if located.union is None:
            groups.append([located])
        elif located.union in unions:
            unions[located.union].append(located)
        else:
            groups.append(unions.setdefault(located.union, [located]))
    return [narrowed for group in groups for narrowed in _narrow(group, document)]


def _echoes(error: Mapping[str, Any]) -> bool:
    """A list whose items were refused is then too short, pydantic says; the items say it better."""
    if error["type"] != "too_short":
        return False
    return len(error["input"]) > int(error["ctx"]["actual_length"])


def _narrow(group: list[Located], document: Any) -> list[list[Located]]:
    """The errors of the member that was meant, where one can have been, else all together."""
    members: dict[str, list[Located]] = {}
    for located in group:
        members.setdefault(located.member, []).append(located)
    meant = [errors for errors in members.values() if not any(e.wrong_kind for e in errors)]
    if not meant:
        return [group]

    # Between two that fit equally badly, the one that was followed further into the document.
    def misfit(errors: list[Located]) -> tuple[int, int]:
        return len(errors), -len(errors[0].path)

    least = min(map(misfit, meant))
    best = [errors for errors in meant if misfit(errors) == least]
    if len(best) == 1:
        return [[located] for located in best[0]]
    # Of [[1, 2], 0] nobody can say which of the two was meant: the fault is the union's.
    whole = reduce(_entry, group[0].union or (), document)
    return [
        [replace(each, error={**each.error, "input": whole}) for errors in best for each in errors]
    ]


@dataclass(frozen=True)
class Source:
    """A body as pydantic saw it: its errors are about `document`, read as a `root`.

    `overrides` is None unless a recipe was changed by them to what `document` is.
    """

    root: type[BaseModel]
    document: Any
    overrides: Mapping[str, Any] | None = None

    def place(self, path: Path) -> Path:
        """Where the body decides on the experiment's `path`: there, above it, or by its recipe."""
        if self.overrides is None or not path:
            return path
        depth = _depth(self.overrides, path)
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


def _depth(value: Any, path: Path) -> int:
    """How many parts of `path` lead somewhere in `value`."""
    for depth, part in enumerate(path):
        if isinstance(value, list):
            inside = isinstance(part, int) and part < len(value)
        else:
            inside = isinstance(value, Mapping) and part in value
        if not inside:
            return depth
        value = value[part]
    return len(path)
