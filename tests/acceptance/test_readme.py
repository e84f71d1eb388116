"""The README's sessions, typed line by line against a real server: they give what it says."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import processes
from tests.shown import Ids, Step, compare, sessions
from tests.sites import ROOT, site_on

README = (ROOT / "README.md").read_text("utf-8")
SESSIONS = sessions(README)
END = "--- that was all ---"
# How well a run goes depends on the data.
BY_DATA = frozenset({"verdict", "headline"})


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

        def as_shown(command: str = command, shown: str = step.shown) -> bool:
            try:
                compare(shown, bash.type(command), ids, loose)
            except (AssertionError, ValueError):
                if changes(command):
                    raise
                return False
            return True

        processes.wait_for(f"{command} to give {step.shown}", as_shown, seconds=120)


def changes(command: str) -> bool:
    return "--json" in command or "api.keys" in command


@pytest.mark.parametrize("data", ["mnist", "digits"])
def test_a_job_by_curl(
    request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path, data: str
) -> None:
    job = SESSIONS[0]
    environment, loose = {}, BY_DATA
    if data == "mnist":
        environment["PLATEAU_DATA_DIR"] = str(request.getfixturevalue("mnist_dir"))
        loose = frozenset()
    else:
        instead = re.search(r"`(sed .*curl .*)`", README)
        assert instead is not None
        job = [Step(instead[1], job[0].shown), *job[1:]]
    with (
        site_on(sqlite_url, "memory://", tmp_path, **environment) as site,
        site.api() as client,
        site.worker(),
        shell(tmp_path, site.environment) as bash,
    ):
        follow(job, bash, client.base_url.netloc.decode(), loose)
        assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_keys_by_command(sqlite_url: str, tmp_path: Path) -> None:
    with (
        site_on(sqlite_url, "memory://", tmp_path, PLATEAU_AUTH="keys") as site,
        site.api() as client,
        shell(tmp_path, site.environment) as bash,
    ):
        follow(SESSIONS[1], bash, client.base_url.netloc.decode())
        refused = client.get(
            "/v1/jobs", headers={"Authorization": f"Bearer {bash.type('echo $KEY').strip()}"}
        )
        assert refused.status_code == 401


def test_these_are_all_sessions() -> None:
    assert len(SESSIONS) == 2
    assert README.count("```console") == 2
