"""The settings: their defaults, what they refuse, and that docs/settings.md has every one."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import make_url

from contract.environment import cores, warn_of_unknown_settings
from contract.settings import Settings, read_settings
from tests.pages import page, rows

PAGE = page("docs/settings.md")
FIELDS = Settings.model_fields


@pytest.fixture
def var_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where everything goes by default, seen from a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "var"


def test_the_embedded_defaults_need_no_services(var_dir: Path) -> None:
    settings = Settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.var_dir == var_dir
    assert settings.data_dir == var_dir / "data"
    assert settings.artifacts_url == str(var_dir / "artifacts")
    assert settings.database_url.startswith("sqlite:///")
    assert Path(make_url(settings.database_url).database or "").parent == var_dir
    assert settings.embedded_broker
    assert settings.queue_watch_seconds == 0.2


def test_nothing_is_made_by_reading_settings(var_dir: Path) -> None:
    Settings()
    assert not var_dir.exists()


def test_redis_is_swept_for_less_often() -> None:
    settings = Settings(broker_url="redis://host/0")
    assert not settings.embedded_broker
    assert settings.queue_watch_seconds == 2


@pytest.mark.parametrize("broker", ["memory://", "redis://host/0"])
def test_a_silent_workers_jobs_are_found_within_a_minute(broker: str) -> None:
    """Its lease, a reaper without a free slot, a look whose message goes to the silent worker,
    and the look after that."""
    settings = Settings(broker_url=broker)
    assert settings.lease_seconds + settings.reap_seconds + 2 * settings.queue_watch_seconds <= 55


def test_what_is_set_is_kept(tmp_path: Path) -> None:
    settings = Settings(
        var_dir=tmp_path,
        artifacts_url="s3://bucket/models",
        database_url="postgresql://host/name",
        queue_watch_seconds=7,
    )
    assert settings.artifacts_url == "s3://bucket/models"
    assert settings.database_url == "postgresql://host/name"
    assert settings.queue_watch_seconds == 7


@pytest.mark.usefixtures("var_dir")
def test_a_variable_of_an_earlier_version_is_read_and_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PLATEAU_SWEEP_SECONDS", "7")
    monkeypatch.setenv("PLATEAU_SEARCH_SECONDS", "3")
    settings = Settings()
    assert (settings.queue_watch_seconds, settings.sweep_watch_seconds) == (7, 3)
    warn_of_unknown_settings()
    told = caplog.text
    assert "PLATEAU_SWEEP_SECONDS is called PLATEAU_QUEUE_WATCH_SECONDS now" in told
    assert "no such setting" not in told
    monkeypatch.setenv("PLATEAU_QUEUE_WATCH_SECONDS", "5")
    assert Settings().queue_watch_seconds == 5


def test_a_fault_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATEAU_QUEUE_WATCH_SECONDS", "often")
    with pytest.raises(SystemExit, match=r"^PLATEAU_QUEUE_WATCH_SECONDS: "):
        read_settings()


def test_the_present_folder_can_be_the_data_folder(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATEAU_DATA_DIR", ".")
    assert Settings().data_dir == var_dir.parent


def test_an_empty_variable_is_not_set(var_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FIELDS:
        monkeypatch.setenv(f"PLATEAU_{name.upper()}", "")
    settings = Settings()
    assert (settings.data_dir, settings.port, settings.queues) == (var_dir / "data", 8000, ())


@pytest.mark.parametrize(
    ("value", "queues"),
    [
        ("cpu", ("cpu",)),
        ("cpu,any", ("cpu", "any")),
        (" gpu , any,", ("gpu", "any")),
        (",", ()),
    ],
)
def test_queues_are_separated_by_commas(
    value: str, queues: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATEAU_QUEUES", value)
    assert Settings().queues == queues


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("queues", "tpu"),
        ("port", "0"),
        ("port", "65536"),
        ("port", "eighty"),
        ("slots", "-1"),
        ("max_crashes", "0"),
        ("log_level", "LOUD"),
        ("reap_seconds", "0"),
        ("reap_seconds", "inf"),
        ("reap_seconds", "nan"),
    ],
)
def test_what_makes_no_sense_is_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"PLATEAU_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        Settings()


@pytest.mark.parametrize(
    ("heartbeat", "abandon", "lease"), [(10, 45, 45), (10, 60, 45), (45, 45, 60), (90, 45, 60)]
)
def test_two_writers_cannot_be_configured(heartbeat: float, abandon: float, lease: float) -> None:
    """A cut-off worker must have given up before its lease runs out."""
    with pytest.raises(ValidationError, match="PLATEAU_ABANDON_SECONDS < PLATEAU_LEASE_SECONDS"):
        Settings(heartbeat_seconds=heartbeat, abandon_seconds=abandon, lease_seconds=lease)


def test_passwords_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATEAU_DATABASE_URL", "postgresql://me:hunter2@host/name")
    monkeypatch.setenv("PLATEAU_BROKER_URL", "redis://:hunter2@host/0")
    assert "hunter2" not in repr(Settings())
    with pytest.raises(ValidationError) as refused:
        Settings(lease_seconds=1)
    assert "hunter2" not in str(refused.value)


def test_there_is_a_core() -> None:
    assert cores() >= 1


def plain(text: str) -> str:
    """A number without the commas that people like in it."""
    return re.sub(r"(?<=\d)[,_](?=\d{3})", "", text)


@pytest.mark.parametrize("name", FIELDS)
def test_the_page_has_every_setting(name: str) -> None:
    """A row `| PLATEAU_NAME | default | unit | meaning |` in docs/settings.md."""
    default = FIELDS[name].default
    unset = default in ("", (), Path())
    wanted = (
        f"| `PLATEAU_{name.upper()}` | {'(in words)' if unset else f'`{default}`'} "
        f"| {unit_of(name)} | {FIELDS[name].description} |"
    )
    found = [row for row in rows(PAGE) if row[0] == f"`PLATEAU_{name.upper()}`"]
    assert len(found) == 1, f"docs/settings.md should have one row like:\n{wanted}"
    _, shown, unit, meaning = found[0]
    assert unset or plain(shown) == f"`{default}`", f"expected a row like:\n{wanted}"
    assert shown, f"expected a row like:\n{wanted}"
    assert meaning, f"expected a row like:\n{wanted}"
    if isinstance(default, int | float):
        assert unit or name == "port", f"expected a row like:\n{wanted}"
    assert unit_of(name) in ("", unit), f"expected a row like:\n{wanted}"


def unit_of(name: str) -> str:
    """As the name says it; empty where it does not."""
    if name == "requests_per_second":
        return "1/s"
    ending = name.rpartition("_")[2]
    return {"seconds": "s", "bytes": "bytes", "days": "days"}.get(ending, "")


def test_the_page_has_no_other_setting() -> None:
    told = set(re.findall(r"PLATEAU_([A-Z_]*[A-Z])", PAGE))
    assert told <= {name.upper() for name in FIELDS}


def test_a_bad_setting_ends_the_process_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATEAU_PORT", "eighty")
    with pytest.raises(SystemExit, match=r"^PLATEAU_PORT: .*integer"):
        read_settings()
