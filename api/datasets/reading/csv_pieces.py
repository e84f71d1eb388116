"""The lines of a csv, a bounded number of bytes at a time."""

import csv
from collections.abc import Iterator
from pathlib import Path

from api.datasets.reading.options import Limits, shown
from contract.errors import DatasetRefused

# A piece becomes up to 100 times as much memory: each cell is a Python string, each line a list.
_PIECE_BYTES = 1 << 18
# A line may be this long for each column that a table may have, and as long as a piece.
_COLUMN_BYTES = 64
# Commas within quotes that a line may have besides those between its cells.
_QUOTED_COMMAS = 1_000
_BOM = b"\xef\xbb\xbf"
_CURL = "curl -d removes line breaks, --data-binary @file keeps them"


def pieces(source: Path, limits: Limits) -> Iterator[tuple[int, list[str]]]:
    """The first one's number, from 1, and some lines, without their ends."""
    most = max(_PIECE_BYTES, _COLUMN_BYTES * limits.max_columns)
    number, rest = 1, b""
    with source.open("rb") as file:
        if file.read(len(_BOM)) != _BOM:
            file.seek(0)
        while data := file.read(_PIECE_BYTES):
            whole, end, rest = (rest + data).rpartition(b"\n")
            if len(rest) > most:
                line = number + (whole + end).count(b"\n")
                raise DatasetRefused(
                    f"line {line:,} is longer than {most:,} bytes, the most for "
                    f"{limits.max_columns:,} columns (PLATEAU_MAX_COLUMNS): send a csv with "
                    "one example a line" + (f" ({_CURL})" if line == 1 else "")
                )
            if end:
                yield number, _decoded(whole, number).split("\n")
                number += (whole + end).count(b"\n")
    if rest:
        last = _decoded(rest, number)
        if number == 1 and "\r" not in last:
            raise DatasetRefused(
                "the file is a single line; expected a header, and a line for each example: "
                f"{_CURL}"
            )
        yield number, [last]


def _decoded(data: bytes, number: int) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = number + data[: error.start].count(b"\n")
        raise DatasetRefused(
            f"line {line:,} is not UTF-8 ({error.reason}): save the table as csv in UTF-8, or send "
            "arrays as an npz"
        ) from None


def cells(number: int, lines: list[str], columns: int) -> list[list[str]]:
    """The cells of each line; none for one that is blank. Line breaks in cells are refused."""
    for index, line in enumerate(lines):
        if line.count(",") >= columns + _QUOTED_COMMAS:
            raise DatasetRefused(
                f"line {number + index:,} has {line.count(',') + 1:,} cells; expected {columns:,}"
            )
    reader = csv.reader(lines, strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise DatasetRefused(
            f"line {number + reader.line_num - 1:,} is not csv ({shown(str(error))}): expected "
            "cells between commas, each quote closed on its line"
        ) from None
    if len(rows) != len(lines):
        raise DatasetRefused(
            f"a cell goes over several lines, after line {number:,}: expected one example a line"
        )
    return rows
