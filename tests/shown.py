"""Sessions as the pages show them: what was typed after `$`, what came, `...` for what was cut.

What varies from run to run is compared by kind: numbers, in JSON and in text, and ids.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TOKEN = re.compile(r'\.\.\.|[{}\[\],:]|"(?:[^"\\]|\\.)*"|[^\s{}\[\],:"]+')
_ID = re.compile(r"\b(?:job|key|ds|sweep)_[0-9A-Z]{26}\b")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
CUT = "..."


@dataclass(frozen=True)
class Step:
    command: str
    shown: str


@dataclass
class Ids:
    """What the ids of the text are called in this run."""

    known: dict[str, str] = field(default_factory=dict)

    def put_in(self, text: str) -> str:
        return _ID.sub(lambda found: self.known.get(found[0], found[0]), text)

    def learn(self, shown: str, real: str) -> None:
        for ours, theirs in zip(_ID.findall(shown), _ID.findall(real), strict=True):
            assert self.known.setdefault(ours, theirs) == theirs


def sessions(text: str) -> list[list[Step]]:
    """The ```console blocks of a Markdown text."""
    return [list(_steps(block)) for block in _BLOCK.findall(text)]


def _steps(block: str) -> Iterator[Step]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        typed = 1
        while _goes_on("\n".join(lines[:typed])):
            typed += 1
        yield Step("\n".join(lines[:typed]), "\n".join(lines[typed:]).strip())


def _goes_on(command: str) -> bool:
    """Whether bash would ask for another line."""
    return command.endswith("\\") or command.count("'") % 2 == 1


def compare(shown: str, real: str, ids: Ids, loose: frozenset[str] = frozenset()) -> None:
    """Fails unless `real` is what was shown. Values of the keys in `loose` need not be the same."""
    if shown.startswith("{"):
        _compare(_parsed(shown), json.loads(real), ids, loose, "")
        return
    lines = real.splitlines()
    for number, line in enumerate(shown.splitlines()):
        if line == CUT:
            return
        _compare(line, lines[number], ids, loose, f"line {number + 1}")


def _parsed(text: str) -> Any:
    """JSON with cuts: an object is a tuple of (key, value) and cuts, an array a list with cuts."""
    tokens = _TOKEN.findall(text)[::-1]

    def entry(in_object: bool) -> Any:
        value = read()
        if not in_object or value == CUT:
            return value
        assert tokens.pop() == ":"
        return value, read()

    def members(end: str, in_object: bool) -> Iterator[Any]:
        while tokens[-1] != end:
            yield entry(in_object)
            if tokens[-1] == ",":
                tokens.pop()
        tokens.pop()

    def read() -> Any:
        match tokens.pop():
            case "{":
                return tuple(members("}", True))
            case "[":
                return list(members("]", False))
            case "...":
                return CUT
            case token:
                return json.loads(token)

    return read()


def _compare(shown: Any, real: Any, ids: Ids, loose: frozenset[str], at: str) -> None:
    where = f"{at or 'the answer'}: shown {shown!r}, came {real!r}"
    if isinstance(shown, tuple):
        assert isinstance(real, dict), where
        keys = _aligned([each if each == CUT else each[0] for each in shown], list(real), where)
        for (key, value), _ in zip((e for e in shown if e != CUT), keys, strict=True):
            if key not in loose:
                _compare(value, real[key], ids, loose, f"{at}/{key}")
    elif isinstance(shown, list):
        assert isinstance(real, list), where
        until = shown.index(CUT) if CUT in shown else len(shown)
        assert len(real) >= until if CUT in shown else len(real) == until, where
        for number, value in enumerate(shown[:until]):
            _compare(value, real[number], ids, loose, f"{at}/{number}")
    elif isinstance(shown, str):
        assert isinstance(real, str), where
        assert _varying(shown) == _varying(real), where
        ids.learn(shown, real)
    elif isinstance(shown, bool) or shown is None:
        assert shown is real, where
    else:
        assert type(shown) is type(real), where


def _aligned(shown: Sequence[str], real: Sequence[str], where: str) -> list[str]:
    """The shown keys, which must come in this order, and with nothing between but where was cut."""
    at, cut = 0, False
    for key in shown:
        if key == CUT:
            cut = True
            continue
        assert key in real[at:] if cut else real[at : at + 1] == [key], f"{key} in {where}"
        at, cut = real.index(key) + 1, False
    assert cut or at == len(real), f"{real[at:]} in {where}"
    return [key for key in shown if key != CUT]


def _varying(text: str) -> str:
    return _NUMBER.sub("N", _ID.sub("ID", text))
