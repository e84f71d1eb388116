"""`python -m api.keys` and `python -m api` as processes, on one database."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api.auth import keys_command
from migrations.upgrade import upgrade
from tests import processes
from tests.keyring import bearer
from tests.sites import ROOT, site_on

Command = subprocess.CompletedProcess[str]


def run(url: str, *arguments: str) -> Command:
    return subprocess.run(
        [sys.executable, "-m", "api.keys", *arguments],
        cwd=ROOT, env={**os.environ, "PLATEAU_DATABASE_URL": url},
        capture_output=True, text=True, check=False, timeout=processes.START_SECONDS,
    )  # fmt: skip


def test_a_key_opens_the_api_until_it_is_revoked(database_url: str, tmp_path: Path) -> None:
    environment = {"PLATEAU_AUTH": "keys", "PLATEAU_LOG_LEVEL": "DEBUG"}
    with site_on(database_url, "memory://", tmp_path, **environment) as site, site.api() as client:

        def status(token: str) -> int:
            return client.get("/v1/jobs", headers=bearer(token)).status_code

        created = run(database_url, "create", "--owner", "me@example.org")
        assert created.returncode == 0, created.stderr
        token = created.stdout.removesuffix("\n")
        id_ = f"key_{token.split('_')[1]}"
        assert f"{id_} of me@example.org may read, submit, until it is revoked." in created.stderr
        assert token not in created.stderr
        assert status(token) == 200
        assert status(token[:-1]) == 401
        assert client.get(f"/v1/jobs/{id_}", headers=bearer(token)).status_code == 404
        revoked = run(database_url, "revoke", id_)
        assert (revoked.returncode, id_ in revoked.stdout) == (0, True), revoked.stderr
        assert status(token) == 401
    log = "".join(file.read_text() for file in tmp_path.glob("*.log"))
    assert "/v1/jobs" in log
    assert token[-42:-1] not in log


@pytest.fixture
def command(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    """Calls the command in this process; returns (exit status, what it printed, what it said)."""
    upgrade(sqlite_url)
    monkeypatch.setenv("PLATEAU_DATABASE_URL", sqlite_url)

    def call(*arguments: str) -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["keys", *arguments])
        status: Any = 0
        try:
            keys_command.main()
        except SystemExit as ended:
            status = ended.code
        return status, *capsys.readouterr()

    return call


def test_what_the_command_says_in_json(command: Any) -> None:
    _, printed, said = command(
        "create",
        "--owner",
        "a.b-c_D",
        "--name",
        "my laptop",
        "--scopes",
        "admin, read",
        "--days",
        "30",
        "--json",
    )
    created = json.loads(printed)
    token = created.pop("token")
    assert said == ""
    assert created["id"] == f"key_{token.split('_')[1]}"
    assert (created["owner"], created["name"], created["state"]) == (
        "a.b-c_D",
        "my laptop",
        "active",
    )
    assert created["scopes"] == ["read", "admin"]
    assert created["expires_at"] > created["created_at"]
    status, printed, _ = command("revoke", created["id"], "--json")
    revoked = json.loads(printed)
    assert (status, revoked["state"]) == (0, "revoked")
    assert json.loads(command("list", "--json")[1]) == [revoked]


def test_what_the_command_says_to_people(command: Any) -> None:
    assert "There are no keys yet" in command("list")[2]
    tokens = [command("create", "--owner", owner, "--days", "1")[1] for owner in ("me", "you")]
    ids = [f"key_{token.split('_')[1]}" for token in tokens]
    first, again = (command("revoke", ids[0]) for _ in range(2))
    assert first == again
    assert first[0] == 0
    header, mine, yours = command("list")[1].splitlines()
    assert header.split()[:3] == ["id", "owner", "state"]
    assert mine.split()[:4] == [ids[0], "me", "revoked", "read,submit"]
    assert yours.split()[:3] == [ids[1], "you", "active"]
    assert not any(token.strip() in mine + yours for token in tokens)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "COMMAND"),
        (["create"], "--owner"),
        (["create", "--owner", ""], "up to 64 letters"),
        (["create", "--owner", "a b"], "received 'a b'"),
        (["create", "--owner", "a\n"], "up to 64 letters"),
        (["create", "--owner", "ä"], "up to 64 letters"),
        (["create", "--owner", "x" * 65], "up to 64 letters"),
        (["create", "--owner", "me", "--scopes", "write"], "some of read, submit, admin"),
        (["create", "--owner", "me", "--scopes", ""], "some of read, submit, admin"),
        (["create", "--owner", "me", "--days", "0"], "from 1 to 36,500"),
        (["create", "--owner", "me", "--days", "9" * 5000], "from 1 to 36,500"),
        (["create", "--owner", "me", "--days", "-1"], "from 1 to 36,500"),
        (["create", "--owner", "me", "--name", "\x1b[2J"], "printable"),
        (["revoke", "plateau_secret"], "expected an id, key_"),
    ],
)
def test_what_makes_no_sense_is_told(command: Any, arguments: list[str], said: str) -> None:
    status, printed, told = command(*arguments)
    assert (status, printed) == (2, "")
    assert said in told
    assert "plateau_secret" not in told


def test_a_database_without_tables_is_told_of(
    command: Any, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    url = database_url.replace("plateau.db", "empty.db")
    monkeypatch.setenv("PLATEAU_DATABASE_URL", url)
    for arguments in (["list"], ["create", "--owner", "me"]):
        status, printed, _ = command(*arguments)
        assert "run python -m migrations" in status
        assert printed == ""


def test_a_key_that_does_not_exist_cannot_be_revoked(command: Any) -> None:
    assert "list shows them" in command("revoke", "key_01ARZ3NDEKTSV4RRFFQ69G5FAV")[0]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+psycopg://me:hunter2@127.0.0.1:1/x", "does not answer"),
        ("mysql://me:hunter2@127.0.0.1/x", "must be sqlite:// or postgresql://"),
        ("sqlite:////proc/nowhere/x.db", "nowhere"),
    ],
)
def test_a_database_that_is_not_there(
    command: Any, monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    monkeypatch.setenv("PLATEAU_DATABASE_URL", url)
    status, printed, _ = command("list")
    assert said in status
    assert "PLATEAU_DATABASE_URL" in status
    assert "hunter2" not in status
    assert printed == ""
