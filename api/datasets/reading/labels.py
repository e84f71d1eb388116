"""Labels as they are stored: class numbers, rows of 0 and 1, or quantities."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from api.datasets.reading.arrays import Array
from api.datasets.reading.inputs import as_stored
from api.datasets.reading.options import MAX_NAME, MAX_OUTPUTS, shown
from api.datasets.reading.workspace import Workspace
from contract.errors import DatasetRefused
from contract.experiment.datasets import Task


@dataclass(frozen=True)
class Labels:
    """`rows(start, stop)` are those of examples in order, as `Upload` has them.

    `classes` names the classes of a classification, `columns` the targets of another task where
    they have names. `one_hot` says that classes were sent as rows with a single 1. `shape` is
    `Facts.label_shape`, and `targets` counts all its numbers.
    """

    task: Task
    rows: Callable[[int, int], Array]
    targets: int = 1
    classes: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    one_hot: bool = False
    shape: tuple[int, ...] = ()

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """float32 for the targets of a regression, else int32."""
        return np.dtype(np.float32 if self.task == "regression" else np.int32)

    @property
    def row(self) -> tuple[int, ...]:
        """The shape of one example's label."""
        return self.shape or (() if self.targets == 1 else (self.targets,))

    @property
    def stratified(self) -> bool:
        """Whether each example has one class, so that each class can be split alike."""
        return self.classes is not None and not self.shape

    @property
    def kinds(self) -> int:
        """Classes, labels, or targets that are told apart: of quantities with a shape none is."""
        return len(self.classes or range(1 if self.shape else self.targets))


class Names:
    """Labels that stand for classes, numbered as they first appear until there are too many.

    An example has one at each place of `shape`.
    """

    def __init__(self, workspace: Workspace, shape: tuple[int, ...] = ()) -> None:
        self.seen: dict[int | str, int] = {}
        self.too_many = False
        self._shape = shape
        self._codes = workspace.spool(np.int16, shape)

    def add(self, labels: Sequence[int | str], inverse: Array | None = None) -> None:
        """A label a row; or, with `inverse`, distinct ones, and which of them each place has."""
        if self.too_many:
            return
        seen = self.seen
        codes = np.array([seen.setdefault(label, len(seen)) for label in labels], np.int64)
        self.too_many = len(seen) > MAX_OUTPUTS
        if not self.too_many:
            self._codes.append(
                codes if inverse is None else codes[inverse].reshape(-1, *self._shape)
            )

    def classes(self, name: str, meant: Callable[[int | str], int] | None = None) -> Labels:
        """Classes 0 to C-1, sorted by the number that is `meant`, or as text."""
        if self.too_many:
            raise DatasetRefused(
                f"{name} has more than {MAX_OUTPUTS:,} different labels; expected at most that "
                "many classes: if it is a quantity, say task=regression"
            )
        if meant is None:
            names = sorted(check_name(name, str(label)) for label in self.seen)
            numbers = {label: names.index(str(label)) for label in self.seen}
        else:
            values = sorted({meant(label) for label in self.seen})
            names = [str(value) for value in values]
            numbers = {label: values.index(meant(label)) for label in self.seen}
        if len(names) < 2:
            raise DatasetRefused(
                f"{name} is {shown(names[0])} everywhere; expected at least 2 classes"
            )
        table = np.array([numbers[label] for label in self.seen], np.int32)
        return Labels(
            "classification",
            lambda start, stop: table[self._codes.rows(start, stop)],
            prod(self._shape),
            classes=tuple(names),
            shape=self._shape,
        )


class Numbers:
    """Labels as numbers, of which may turn out what they stand for."""

    def __init__(self, workspace: Workspace, row: tuple[int, ...]) -> None:
        self.binary = self.one_hot = True
        self._row = row
        self._values = workspace.spool(np.float32, row)

    def add(self, block: Array, name: str) -> None:
        """`block` is (rows, *row). Raises DatasetRefused where float32 cannot hold it."""
        self.binary = self.binary and bool(((block == 0) | (block == 1)).all())
        if self._row:
            self.one_hot = self.binary and self.one_hot and bool((block.sum(axis=-1) == 1).all())
        self._values.append(as_stored(block, name))

    def quantities(self, columns: tuple[str, ...] | None = None) -> Labels:
        """All of them as the targets of a regression, named by `columns`."""
        shape = self._row if len(self._row) > 1 else ()
        return Labels("regression", self._values.rows, self._targets, columns=columns, shape=shape)

    def several(
        self, name: str, task: Task | None, columns: tuple[str, ...] | None, *, whole: bool = False
    ) -> Labels:
        """Rows of more than one number: of 0 and 1 they are labels, with exactly one 1 a class.

        `whole` says that they came as integers: where those are not 0 and 1, they may be class
        numbers, which is not for us to decide.
        """
        if task is None:
            task = self._guess(name, whole)
        told_apart = len(self._row) == 1 or task == "classification"
        if told_apart and self._row[-1] > MAX_OUTPUTS:
            raise DatasetRefused(
                f"{name} has {self._row[-1]:,} numbers in a row; expected at most {MAX_OUTPUTS:,} "
                "classes, labels or targets: quantities on several axes may be more"
            )
        if task == "regression":
            return self.quantities(columns)
        if task == "multi_label" and len(self._row) > 1:
            raise DatasetRefused(
                f"{name} has shape (n, {', '.join(map(str, self._row))}); task=multi_label expects "
                "one row of 0 and 1 an example: flatten it"
            )
        if not (self.one_hot if task == "classification" else self.binary):
            row = "exactly one 1 in each row" if task == "classification" else "rows of 0 and 1"
            raise DatasetRefused(
                f"{name} has {self._targets} numbers an example; task={task} expects {row}, and "
                "received others: say task=regression if they are quantities"
            )
        if task == "multi_label":
            return Labels(task, self._labels, self._targets, columns=columns)
        *places, last = self._row
        classes = columns or tuple(str(number) for number in range(last))
        return Labels(
            task,
            self._class_numbers,
            prod(places),
            classes=classes,
            one_hot=True,
            shape=tuple(places),
        )

    def _guess(self, name: str, whole: bool) -> Task:
        if self.one_hot:
            return "classification"
        if self.binary and len(self._row) == 1:
            return "multi_label"
        if whole:
            raise DatasetRefused(
                f"{name} has {self._targets:,} integers an example; expected 0 and 1 alone, or to "
                "be told what they are: say task=classification if each is a class, such as one a "
                "step, or task=regression if they are quantities"
            )
        return "regression"

    @property
    def _targets(self) -> int:
        return prod(self._row)

    def _labels(self, start: int, stop: int) -> Array:
        return self._values.rows(start, stop).astype(np.int32)

    def _class_numbers(self, start: int, stop: int) -> Array:
        places: Array = self._values.rows(start, stop).argmax(axis=-1)
        return places.astype(np.int32)


def check_name(where: str, name: str) -> str:
    """`name`, if it can be printed and stored. Line breaks, NUL and halves of characters cannot."""
    control = any(unicodedata.category(character) in ("Cc", "Cs") for character in name)
    if not name or control or len(name) > MAX_NAME:
        raise DatasetRefused(
            f"{where} has the label {shown(name)}; expected 1 to {MAX_NAME} characters, none of "
            "them a control character"
        )
    return name
