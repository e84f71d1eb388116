"""The sessions of the pages, typed line by line against a real server: they give what is shown."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pages import page
from tests.shown import Ids, Step, compare, sessions
from tests.sites import ROOT, site_on

README = page("README.md")
# Those of a page are typed one after the other in one terminal. Keys are on for the API's last.
*OPEN, KEYED = sessions(page("docs/api.md"))
PAGES = {
    "README.md": sessions(README),
    "docs/api.md": OPEN,
    "docs/data.md": sessions(page("docs/data.md")),
}
# A run on MNIST takes some 10 s, and a proof has ten.
SECONDS = 400
END = "--- that was all ---"
# How well these runs go depends on the data, and, near the edge of stability, on the processor.
BY_PROCESSOR = frozenset({"headline", "standing", "best", "outcome"})
BY_DATA = BY_PROCESSOR | {"verdict"}


@dataclass(frozen=True)
class Shell:
    """A bash that remembers its variables from command to command."""

    process: subprocess.Popen[str]

    def type(self, command: str) -> str:
        """What the command prints, errors too; it must succeed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{command}\nprintf '\\n%s %s\\n' '{END}' $?\n")
        self.process.stdin.flush()
        printed = ""
        for line in self.process.stdout:
            if line.startswith(END):
                assert line.split()[-1] == "0", (command, printed)
                return printed.removesuffix("\n")
            printed += line
        raise AssertionError(f"bash ended within {command}: {printed}")


@contextmanager
def shell(folder: Path, environment: dict[str, str]) -> Iterator[Shell]:
    """In `folder`, which has the recipes; `python` is the one that runs the tests."""
    (folder / "recipes").symlink_to(ROOT / "recipes")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with subprocess.Popen(
        ["bash", "--norc"],
        cwd=folder,
        env={**os.environ, **environment, "PATH": path, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield Shell(process)
        assert process.stdin is not None
        process.stdin.close()


def follow(
    steps: list[Step], bash: Shell, address: str, loose: frozenset[str] = frozenset()
) -> None:
    """Type each command, and again where it only looks, until it gives what is shown."""
    ids = Ids()
    for step in steps:
        command = ids.put_in(step.command).replace("localhost:8000", address)
        deadline = time.monotonic() + SECONDS
        while fault := unlike(step.shown, bash.type(command), ids, loose):
            assert not changes(command), fault
            assert time.monotonic() < deadline, fault
            time.sleep(0.2)  # what it looks at needs the processor too


def unlike(shown: str, came: str, ids: Ids, loose: frozenset[str]) -> str:
    """In what way `came` is not as shown; where nothing is shown, nothing but a problem is not."""
    if not shown:
        return came if "/problems/" in came else ""
    try:
        compare(shown, came, ids, loose)
    except (AssertionError, ValueError) as error:
        return f"{error}: {came}"
    return ""


def changes(command: str) -> bool:
    return any(word in command for word in ("--json", "--data-binary", "-X POST", "api.keys"))


@pytest.mark.parametrize("data", ["mnist", "digits"])
def test_the_readme(
    request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path, data: str
) -> None:
    steps = steps_of("README.md")
    environment, loose = {}, BY_DATA
    if data == "mnist":
        environment["PLATEAU_DATA_DIR"] = str(request.getfixturevalue("mnist_dir"))
        loose = BY_PROCESSOR
    else:
        instead = re.search(r"^    (sed .*curl .*)$", README, re.MULTILINE)
        assert instead is not None
        steps[0] = Step(instead[1], steps[0].shown)
    with terminal(sqlite_url, tmp_path, **environment) as (bash, address):
        follow(steps, bash, address, loose)


@pytest.mark.parametrize("name", ["docs/api.md", "docs/data.md"])
def test_a_page(sqlite_url: str, tmp_path: Path, name: str) -> None:
    with terminal(sqlite_url, tmp_path) as (bash, address):
        follow(steps_of(name), bash, address, BY_PROCESSOR)
    if name == "docs/api.md":
        assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def steps_of(name: str) -> list[Step]:
    return [step for session in PAGES[name] for step in session]


@contextmanager
def terminal(sqlite_url: str, folder: Path, **environment: str) -> Iterator[tuple[Shell, str]]:
    """A shell beside a service with a worker, and the address of its API."""
    with (
        site_on(sqlite_url, "memory://", folder, **environment) as site,
        site.api() as client,
        site.worker(),
        shell(folder, site.environment) as bash,
    ):
        yield bash, client.base_url.netloc.decode()


def test_keys_by_command(sqlite_url: str, tmp_path: Path) -> None:
    with (
        site_on(sqlite_url, "memory://", tmp_path, PLATEAU_AUTH="keys") as site,
        site.api() as client,
        shell(tmp_path, site.environment) as bash,
    ):
        follow(KEYED, bash, client.base_url.netloc.decode())
        refused = client.get(
            "/v1/jobs", headers={"Authorization": f"Bearer {bash.type('echo $KEY').strip()}"}
        )
        assert refused.status_code == 401


def test_these_are_the_sessions() -> None:
    assert all(PAGES.values())
    assert len(OPEN) >= 5
    assert "api.keys" in KEYED[0].command
