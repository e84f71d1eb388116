"""What differs between two specs, field by field, each as a patch of the first."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from contract.experiment.pointers import join
from diagnosis.report import Change, Patch

# What is called by a name of its own decides nothing about how a run ends.
_DECIDING = ("dataset", "model", "training")


@dataclass(frozen=True)
class Difference:
    """`patch` turns the first spec's field into the second's; a side that lacks it has None.

    Of the patches of several differences those that are wanted can be applied one after the other,
    in the order of `differences`.
    """

    pointer: str
    patch: Patch
    first: Any
    second: Any

    @property
    def decides(self) -> bool:
        """Whether it can have to do with the outcome: a name or a priority has not."""
        return self.pointer.split("/")[1] in _DECIDING

    @property
    def change(self) -> Change:
        """The same as a change of the first spec, for a trial."""
        title = f"{self.pointer} of {_short(self.second)} instead of {_short(self.first)}"
        return Change(self.pointer, title, self.patch)


def differences(first: Any, second: Any) -> list[Difference]:
    """All of them. Objects that say of what `type` they are are one field where that differs.

    Lists that differ in their lengths (layers) are aligned. First come those that replace, then
    those that insert or remove, from the end of each list to its beginning.
    """
    found = list(_differences("", first, second))
    return [*(d for d in found if not _renumbers(d)), *(d for d in found[::-1] if _renumbers(d))]


def overlap(one: str, other: str) -> bool:
    """Whether one of two JSON pointers is the other, or leads into it."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _differences(pointer: str, first: Any, second: Any) -> Iterator[Difference]:
    if first == second and isinstance(first, bool) == isinstance(second, bool):
        return
    if isinstance(first, Mapping) and isinstance(second, Mapping) and _alike(first, second):
        for name in first:
            yield from _differences(f"{pointer}{join([name])}", first[name], second[name])
    elif _is_list(first) and _is_list(second) and pointer == "/model/layers":
        yield from _aligned(pointer, first, second)
    else:
        patch = [{"op": "replace", "path": pointer, "value": second}]
        yield Difference(pointer, patch, first, second)


def _alike(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    return first.keys() == second.keys() and first.get("type") == second.get("type")


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _aligned(pointer: str, first: Sequence[Any], second: Sequence[Any]) -> Iterator[Difference]:
    """Blocks of equal length element by element, what one list has more as it is."""
    a_kinds, b_kinds = ([_kind(item) for item in side] for side in (first, second))
    blocks = SequenceMatcher(None, a_kinds, b_kinds, autojunk=False).get_opcodes()
    for _, a, a_end, b, b_end in blocks:
        shared = min(a_end - a, b_end - b)
        for n in range(shared):
            yield from _differences(f"{pointer}/{a + n}", first[a + n], second[b + n])
        path = f"{pointer}/{a + shared}"
        if gone := first[a + shared : a_end]:
            yield Difference(path, [{"op": "remove", "path": path}] * len(gone), gone, None)
        if new := second[b + shared : b_end]:
            patch = [{"op": "add", "path": path, "value": value} for value in reversed(new)]
            yield Difference(path, patch, None, new)


def _kind(item: Any) -> str:
    """By which layers are aligned."""
    return str(item.get("type")) if isinstance(item, Mapping) else json.dumps(item)


def _renumbers(difference: Difference) -> bool:
    return bool(difference.patch[0]["op"] != "replace")


def _short(value: Any) -> str:
    if isinstance(value, Mapping) and "type" in value:
        return str(value["type"])
    if _is_list(value):
        return ", ".join(_short(item) for item in value)
    return "none" if value is None else str(value)
