"""Tables: a csv in UTF-8 with a header, and a row for each example."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from api.datasets.reading.arrays import Array
from api.datasets.reading.csv_header import Header, read_header
from api.datasets.reading.csv_pieces import cells, pieces
from api.datasets.reading.inputs import Inputs, as_stored
from api.datasets.reading.labels import Labels, Numbers
from api.datasets.reading.options import Limits, Wanted, shown
from api.datasets.reading.source import Source
from api.datasets.reading.targets import Cells
from api.datasets.reading.workspace import Workspace
from contract.errors import DatasetRefused

_MAX_BLANK_LINES = 1_000


def read_table(source: Path, wanted: Wanted, limits: Limits, workspace: Workspace) -> Source:
    """The columns that `wanted.label` names are the labels; all others are features, in order.

    An empty cell of a feature is NaN, one of a label is refused. Blanks around a cell are dropped.
    """
    table = None
    for number, lines in pieces(source, limits):
        if table is None:
            header = read_header(lines.pop(0), wanted.label, limits)
            table = _Table(header, wanted, limits, workspace)
            number += 1  # noqa: PLW2901
        table.add(number, lines)
    if table is None:
        raise DatasetRefused("the file is empty; expected a csv with a header and a row an example")
    return table.source()


class _Table:
    """Features go to the disk as float32 while the rows come."""

    def __init__(
        self, header: Header, wanted: Wanted, limits: Limits, workspace: Workspace
    ) -> None:
        self._header = header
        self._wanted = wanted
        self._limits = limits
        self._blank_lines = 0
        self._features = workspace.spool(np.float32, (len(header.features),))
        self._several = Numbers(workspace, (len(header.targets),))
        one = len(header.targets) == 1
        self._single = Cells(header.labels[0], wanted.task, workspace) if one else None

    def add(self, number: int, lines: list[str]) -> None:
        """Some lines, the first of which is line `number` of the file."""
        header = self._header
        numbers, rows = self._rows(number, cells(number, lines, len(header.columns)))
        if not rows:
            return
        last_first = [[row.pop(at).strip() for row in rows] for at in reversed(header.targets)]
        self._add_labels(numbers, last_first[::-1])
        block = _numbers(header.features, numbers, rows)
        self._features.append(as_stored(block, "the table"))
        self._check_size()

    def source(self) -> Source:
        if not self._features.length:
            raise DatasetRefused("there is a header without rows; expected a row an example")
        inputs = Inputs(
            self._features.length,
            self._features.row,
            "float32",
            "text",
            self._features.blocks,
            self._header.features,
        )
        return Source(inputs, self._labels())

    def _rows(self, number: int, rows: list[list[str]]) -> tuple[Sequence[int], list[list[str]]]:
        """The line of each row, and the rows, without those that are blank."""
        width = len(self._header.columns)
        numbers: Sequence[int] = range(number, number + len(rows))
        if set(map(len, rows)) <= {width}:
            return numbers, rows
        for line, row in zip(numbers, rows, strict=True):
            if row and len(row) != width:
                raise DatasetRefused(
                    f"line {line:,} has {len(row):,} cells; expected {width:,}, as the header has"
                )
        self._blank_lines += rows.count([])
        if self._blank_lines > _MAX_BLANK_LINES:
            raise DatasetRefused(f"expected at most {_MAX_BLANK_LINES:,} blank lines: remove them")
        kept = [(line, row) for line, row in zip(numbers, rows, strict=True) if row]
        return [line for line, _ in kept], [row for _, row in kept]

    def _add_labels(self, numbers: Sequence[int], labels: list[list[str]]) -> None:
        """`labels` are columns, `numbers` the lines of their rows."""
        for name, column in zip(self._header.labels, labels, strict=True):
            if "" in column:
                line = numbers[column.index("")]
                raise DatasetRefused(
                    f"line {line:,} has nothing in the label column {shown(name)}: leave it out"
                )
        if self._single is not None:
            self._single.add(labels[0], numbers[0])
        else:
            rows = list(zip(*labels, strict=True))
            block = _numbers(self._header.labels, numbers, rows)
            self._several.add(block, "the label columns")

    def _labels(self) -> Labels:
        if self._single is not None:
            return self._single.labels()
        labels = self._header.labels
        return self._several.several("the row of label columns", self._wanted.task, labels)

    def _check_size(self) -> None:
        """What is on the disk by now must not outgrow what may be kept."""
        rows, width = self._features.length, len(self._header.columns)
        if rows > self._limits.max_examples:
            raise DatasetRefused(f"expected at most {self._limits.max_examples:,} rows")
        if rows * width * 4 > self._limits.max_dataset_bytes:
            raise DatasetRefused(
                f"expected at most {self._limits.max_dataset_bytes:,} bytes "
                f"(PLATEAU_MAX_DATASET_BYTES), 4 a cell; received more than {rows:,} rows of "
                f"{width:,} cells: send fewer"
            )


def _numbers(names: Sequence[str], lines: Sequence[int], rows: Sequence[Sequence[str]]) -> Array:
    """(rows, names) float64. The whole block at once, and cell by cell only where that fails."""
    try:
        flat = np.fromiter(
            map(float, chain.from_iterable(rows)), np.float64, len(rows) * len(names)
        )
    except ValueError:
        values = [
            _number(name, line, cell)
            for line, row in zip(lines, rows, strict=True)
            for name, cell in zip(names, row, strict=True)
        ]
        flat = np.array(values)
    return flat.reshape(len(rows), len(names))


def _number(name: str, line: int, cell: str) -> float:
    if not cell.strip():
        return np.nan
    try:
        return float(cell)
    except ValueError:
        raise DatasetRefused(
            f"line {line:,}, column {shown(name)}: expected a number, received {shown(cell)}: turn "
            "text into numbers first (one column of 0 and 1 a value), and fill in what is missing "
            "or leave its row out"
        ) from None
