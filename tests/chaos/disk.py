"""Disks that are small, and files that are not what was written."""

import os
import random
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_BLOCK = b"\0" * 4096


class NotPossible(Exception):
    """This machine does not let us; why not."""


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """`folder` as a file system of its own. Raises NotPossible; Linux and root only."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NotPossible("there is no mount here") from error
    if mounted.returncode != 0:
        raise NotPossible(f"no small disk: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        # Lazily: trainers whose worker was killed are still leaving.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Ballast:
    """A file that takes all the room that is left."""

    def __init__(self, disk: Path) -> None:
        self._file = disk / "ballast"

    def fill(self, leaving: int = 0) -> None:
        """But for so many bytes."""
        with suppress(OSError), self._file.open("ab", buffering=0) as file:
            while True:
                file.write(_BLOCK)
        if leaving:
            os.truncate(self._file, max(0, self._file.stat().st_size - leaving))

    def drop(self) -> None:
        self._file.unlink()


_FRAME = re.compile(r' +File ".*?/((?:api|contract|worker|tests)/[\w/]+)\.py", line \d+, in (\w+)')
_FULL = re.compile(r"[\w.]*Error: .*(No space left|is full)")


def full_places(folder: Path) -> Counter[str]:
    """Where the service met a full disk, by what its logs in `folder` tell: its own functions."""
    found: Counter[str] = Counter()
    for log in folder.glob("*.log"):
        place = None
        for line in log.read_text(errors="replace").splitlines():
            if frame := _FRAME.match(line):
                place = f"{frame[1].replace('/', '.')}.{frame[2]}"
            elif place is not None and _FULL.match(line):
                found[place] += 1
                place = None
    return found


def damage(file: Path, kind: str, chance: random.Random) -> None:
    """Flip a bit anywhere, cut the end off, or take the file away."""
    content = bytearray(file.read_bytes())
    if kind == "remove":
        file.unlink()
    elif kind == "truncate":
        file.write_bytes(content[: chance.randrange(len(content))])
    else:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
