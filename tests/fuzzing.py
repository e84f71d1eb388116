"""schemathesis against a running site: all its checks, with two owners' keys."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests import keyring
from tests.sites import FAKE, RunningWorker, Site, site_on

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
# Limits are tested elsewhere: here they would only hide what lies behind them.
UNLIMITED = {
    "PLATEAU_AUTH": "keys",
    "PLATEAU_REQUESTS_PER_SECOND": "100000",
    "PLATEAU_MAX_QUEUED_JOBS": "1000000",
    "PLATEAU_MAX_STREAMS": "10000",
    "PLATEAU_FAKE_EPOCH_SECONDS": "0.005",
    "PLATEAU_LOG_FORMAT": "json",
    "PLATEAU_LOG_LEVEL": "WARNING",
}


@dataclass(frozen=True)
class Told:
    """What schemathesis reports; `said` is what it prints."""

    report: dict[str, Any]
    said: str

    def __str__(self) -> str:
        cases = self.report["test_cases"]
        seconds = self.report["running_time"]
        accepted = sum(
            counts["accepted"]
            for phases in self.report["valid_rates"].values()
            for counts in phases.values()
        )
        return (
            f"{cases['generated']:,} cases in {seconds:.0f} s, {accepted:,} of them accepted; "
            f"{cases['unique_failures']} failures, {cases['errored']} errors"
        )


@contextmanager
def fuzzed_site(url: str, folder: Path) -> Iterator[tuple[Site, httpx.Client, RunningWorker]]:
    """A site with a worker that trains fake numbers, and keys."""
    with (
        site_on(url, "memory://", folder, **FAKE, **UNLIMITED) as site,
        site.api() as client,
        site.worker() as worker,
    ):
        yield site, client, worker


def fuzz(site: Site, client: httpx.Client, *, examples: int, phases: str) -> Told:
    """Run schemathesis; `examples` is how many cases an operation gets in each phase at most."""
    keys = site.folder / "keys.json"
    keys.write_text(json.dumps({"auth": [_user(site, owner) for owner in ("me", "you")]}))
    report = site.folder / "report.json"
    told = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--no-color"),
            *("--config-file", str(CONFIGURATION), "run", f"{client.base_url}/openapi.json"),
            *("--phases", phases, "--max-examples", str(examples)),
            *("--report", "json", "--report-json-path", str(report)),
        ],
        check=False,
        env={**os.environ, "FUZZ_KEYS": str(keys)},
        cwd=site.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert report.exists(), told.stdout
    return Told(json.loads(report.read_text()), told.stdout)


def _user(site: Site, owner: str) -> dict[str, Any]:
    """As Web Fuzzing Commons has it."""
    _, token = keyring.make_in(site.database, owner, "admin")
    headers = [{"name": name, "value": value} for name, value in keyring.bearer(token).items()]
    return {"name": owner, "fixedHeaders": headers}
