"""From y of an npz, or the label column of a table, to labels."""

import re
from collections.abc import Sequence

import numpy as np

from api.datasets.reading.arrays import Array
from api.datasets.reading.labels import Labels, Names, Numbers
from api.datasets.reading.npy import StoredArray
from api.datasets.reading.options import shown
from api.datasets.reading.workspace import Workspace
from contract.errors import DatasetRefused
from contract.experiment.datasets import Task

_KINDS = dict.fromkeys("biu", "integers") | {"f": "floats", "U": "text", "S": "text"}
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}(\.0*)?")
# Whole numbers up to here are different floats.
_LARGEST_FLOAT = 2**53
_LAST_CHARACTER = 0x10FFFF


def of_arrays(parts: list[StoredArray], task: Task | None, workspace: Workspace) -> Labels:
    """Integers, bools and text are classes, floats are quantities, unless `task` says otherwise.

    (n, 1) is (n,). (n, k) of 0 and 1 are classes where each row has exactly one 1, as
    `keras.utils.to_categorical` makes them, else labels; other floats are k quantities. With more
    axes it is the same at each place. Text, and what `task` calls classes and is no such row, is a
    class at each place.
    """
    row, kind = _row(parts), _kind(parts)
    quantities = task == "regression" or (task is None and kind == "floats")
    if kind != "text" and (row or quantities):
        numbers = Numbers(workspace, row)
        for part in parts:
            for block in part.blocks():
                numbers.add(block.reshape(len(block), *row), part.name)
        if not row:
            return numbers.quantities()
        if task != "classification" or numbers.one_hot:
            return numbers.several("y", task, None, whole=kind == "integers")
    if not row:
        _check_single("y", task, text=kind == "text")
    elif kind == "text":
        _check_classes(task)
    names = Names(workspace, row[:-1] if row[-1:] == (1,) else row)
    for part in parts:
        for block in part.blocks():
            values, inverse = np.unique(_labels(block.ravel(), part.name), return_inverse=True)
            names.add(_items(values, part.name), inverse)
    return names.classes("y", None if kind == "text" else int)


def _row(parts: list[StoredArray]) -> tuple[int, ...]:
    rows = {() if part.shape[1:] == (1,) else part.shape[1:] for part in parts}
    row = rows.pop()
    if rows:
        raise DatasetRefused(
            "expected y of shape (n,), (n, targets) or more axes, with as many targets in each "
            f"part; received {' and '.join(str(part.shape) for part in parts)}"
        )
    return row


def _kind(parts: list[StoredArray]) -> str:
    kinds = {_KINDS[part.dtype.kind] for part in parts}
    kind = kinds.pop()
    if kinds:
        raise DatasetRefused(
            "expected y of one kind of numbers in each part, or text in each; "
            f"received {' and '.join(f'{part.dtype} {part.shape}' for part in parts)}"
        )
    return kind


def _check_single(name: str, task: Task | None, *, text: bool) -> None:
    if task == "multi_label":
        raise DatasetRefused(
            f"{name} has one label an example; task=multi_label expects several, each 0 or 1"
        )
    if task == "regression" and text:
        raise DatasetRefused(f"{name} is text; task=regression expects numbers")


def _check_classes(task: Task | None) -> None:
    if task not in (None, "classification"):
        raise DatasetRefused(f"y is text at each place; task={task} expects numbers")


def _labels(block: Array, name: str) -> Array:
    """What can be sorted and looked up: text whose characters exist, or integers."""
    if block.dtype.kind == "U":
        characters = block.view(block.dtype.str[0] + "u4")
        if (characters > _LAST_CHARACTER).any():
            raise DatasetRefused(f"{name} is damaged: its text has characters that do not exist")
    if block.dtype.kind != "f":
        return block
    whole = (np.abs(block) <= _LARGEST_FLOAT) & (block == np.trunc(block))
    if not whole.all():
        raise DatasetRefused(
            f"{name} has the label {shown(block[~whole][0].item())}; task=classification expects "
            "whole numbers, or text: say task=regression if they are quantities"
        )
    return block.astype(np.int64)


def _items(values: Array, name: str) -> list[int | str]:
    if values.dtype.kind != "S":
        return list(values.tolist())
    try:
        return [value.decode() for value in values.tolist()]
    except UnicodeDecodeError as error:
        raise DatasetRefused(f"{name} has bytes that are not text in UTF-8: {error}") from None


class Cells:
    """The one label column of a table, of which the last row decides what it holds."""

    def __init__(self, name: str, task: Task | None, workspace: Workspace) -> None:
        self._name = name
        self._task = task
        self._names = Names(workspace)
        self._numbers: Numbers | None = Numbers(workspace, ())
        self._integers = True
        self._text = ""
        _check_single(name, task, text=False)

    def add(self, cells: Sequence[str], line: int) -> None:
        """Cells of consecutive rows, from about `line` on; none of them is empty."""
        if self._task != "regression":
            self._names.add(cells)
        self._integers = self._integers and all(map(_INTEGER.fullmatch, cells))
        if self._numbers is None or self._task == "classification":
            return
        try:
            self._numbers.add(np.fromiter(map(float, cells), np.float64, len(cells)), self._name)
        except ValueError as error:
            self._numbers = None
            self._text = f"{error}, after line {line:,}"

    def labels(self) -> Labels:
        """What the column holds, after its last row: quantities or classes.

        Raises DatasetRefused where it is neither, or not what `task` asks for.
        """
        quantity = self._task == "regression" or (self._task is None and not self._integers)
        if quantity and self._numbers is not None:
            return self._numbers.quantities((self._name,))
        if self._task == "regression":
            raise DatasetRefused(
                f"column {shown(self._name)} is the target; task=regression expects numbers "
                f"({self._text})"
            )
        if self._names.too_many and self._text:
            raise DatasetRefused(
                f"column {shown(self._name)} has too many different labels to be classes, and is "
                f"not a quantity either ({self._text})"
            )
        whole = all(_WHOLE.fullmatch(str(label)) for label in self._names.seen)
        return self._names.classes(f"column {shown(self._name)}", _meant if whole else None)


def _meant(label: int | str) -> int:
    """1 for 1, +1, 01 and 1.0."""
    return int(str(label).partition(".")[0])
