"""README.md and docs/*.md as the tests read them: their tables, and the code in a cell."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
_SECTION = re.compile(r"^##+ ", re.MULTILINE)


def page(name: str) -> str:
    """The text of a page, by its path from the root."""
    return (ROOT / name).read_text("utf-8")


def rows(text: str) -> Iterator[list[str]]:
    """The cells of each row of each table, headers too."""
    for line in text.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def spans(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


def without_code(text: str) -> str:
    """The text without its blocks of code."""
    return re.sub(r"(?ms)^```.*?^```", "", text)


def section(text: str, title: str) -> str:
    """From the heading `title` to the next one, of any level below the page's."""
    return next(part for part in _SECTION.split(text) if part.startswith(f"{title}\n"))
