"""docker-compose.yml and Dockerfile as data: what each service would run, in what surroundings."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, cast

import yaml

ROOT = Path(__file__).parents[2]
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<how>[?-])(?P<text>[^}]*))?\}")

Service = dict[str, Any]


class MissingVariable(Exception):
    """A `${NAME:?text}` whose NAME is not set: compose stops with that text."""


@dataclass(frozen=True)
class Stage:
    """One `FROM` of the Dockerfile, with the instructions of those it builds on before its own."""

    name: str
    instructions: list[tuple[str, str]]

    def last(self, instruction: str) -> str | None:
        found = [rest for name, rest in self.instructions if name == instruction]
        return found[-1] if found else None

    @property
    def command(self) -> list[str]:
        return cast(list[str], json.loads(self.last("CMD") or "[]"))

    @property
    def healthcheck(self) -> list[str]:
        return cast(list[str], json.loads((self.last("HEALTHCHECK") or "CMD []").split("CMD ")[1]))

    @property
    def environment(self) -> dict[str, str]:
        lines = [rest for name, rest in self.instructions if name == "ENV"]
        return dict(word.split("=", 1) for line in lines for word in shlex.split(line))

    @property
    def folders(self) -> list[str]:
        """What is copied from the checkout into the working folder."""
        copies = [rest.split() for name, rest in self.instructions if name == "COPY"]
        return [words[0] for words in copies if not words[0].startswith("--from")]

    def unpack(self, folder: Path) -> Path:
        """Lay the image's working folder out in `folder`."""
        for name in self.folders:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        return folder


def services(variables: Mapping[str, str]) -> dict[str, Service]:
    """The services, interpolated with `variables`. Raises MissingVariable."""
    return cast(dict[str, Service], _interpolate(raw()["services"], variables))


def raw() -> dict[str, Any]:
    return cast(dict[str, Any], yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


def in_order(named: Mapping[str, Service]) -> list[str]:
    """Names of the services, each after those that it waits for."""
    graph: dict[str, dict[str, Any]] = {
        name: service.get("depends_on", {}) for name, service in named.items()
    }
    return list(TopologicalSorter(graph).static_order())


def stages() -> dict[str, Stage]:
    """The Dockerfile's stages by name."""
    found: dict[str, Stage] = {}
    name = ""
    for instruction, rest in _instructions((ROOT / "Dockerfile").read_text()):
        if instruction == "FROM":
            base, _, name = rest.split()
            found[name] = Stage(name, list(found[base].instructions) if base in found else [])
        elif name:
            found[name].instructions.append((instruction, rest))
    return found


def bases() -> dict[str, bool]:
    """The images that stages begin from, and whether each is a stage of the Dockerfile itself."""
    instructions = list(_instructions((ROOT / "Dockerfile").read_text()))
    arguments = dict(rest.split("=", 1) for name, rest in instructions if name == "ARG")
    told = [rest.split()[0] for name, rest in instructions if name == "FROM"]
    images = [re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], each) for each in told]
    return {image: image in stages() for image in images}


def _instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    lines = re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE)
    for line in lines.replace("\\\n", " ").splitlines():
        if line.strip():
            instruction, rest = line.split(maxsplit=1)
            yield instruction, rest


def _interpolate(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _interpolate(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_interpolate(each, variables) for each in value]
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: _value(match, variables), value)
    return value


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    name, how, text = match["name"], match["how"], match["text"]
    if given := variables.get(name):
        return given
    if how == "?":
        raise MissingVariable(f"{name}: {text}")
    return text or ""
