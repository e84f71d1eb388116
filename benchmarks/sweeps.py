"""What a sweep costs: 32 replicas of the question's MLP on digits, beside 32 scripts in a row.

`python -m benchmarks.sweeps` runs benchmarks/script.py as a process, 5 times, and 5 sweeps of
relu-unit through the service with two slots that have served before, each from its POST until it is
done. It prints medians and the ratio to 32 scripts, and ends with 1 if that is above the bar.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np

from contract.experiment.datasets import Dataset, facts_of
from tests import processes, sweeps
from tests.sites import DEFAULTS, ROOT, Site, site_on
from worker.training.data.load import load

REPLICAS = 32
EPOCHS = 60
BAR = 0.06
BASE = {
    "recipe": "relu-unit",
    "overrides": {"dataset": {"name": "digits"}, "training": {"epochs": EPOCHS}},
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeps")
    parser.add_argument("--runs", type=int, default=5, help="of the script, and of the sweep")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scripts = script_seconds(folder, runs)
        print(told("the question's script, as a process", scripts), flush=True)
        url = f"sqlite:///{folder / 'plateau.sqlite3'}"
        with (
            site_on(url, "memory://", folder, **DEFAULTS, PLATEAU_SLOTS="2") as site,
            site.api() as client,
            site.worker(),
        ):
            sweep_seconds(site, client, 4)  # what only a trainer's first job pays
            whole = [sweep_seconds(site, client, REPLICAS) for _ in range(runs)]
    print(told(f"a sweep of {REPLICAS}, POST to done", whole))
    ratio = median(whole) / (REPLICAS * median(scripts))
    print(f"ratio to {REPLICAS} scripts in a row: {ratio:.3f} (bar: {BAR})")
    return 0 if ratio <= BAR else 1


def script_seconds(folder: Path, runs: int) -> list[float]:
    """Each from the start of the process to its end."""
    images = folder / "digits.npz"
    np.savez(
        images,
        allow_pickle=False,
        **load(Dataset(name="digits"), facts_of("digits"), folder).by_name(),
    )
    command = [sys.executable, str(ROOT / "benchmarks" / "script.py"), str(images), str(EPOCHS)]
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    return seconds


def sweep_seconds(site: Site, client: httpx.Client, replicas: int) -> float:
    """From the POST until the sweep is done, all of whose runs must have succeeded."""
    body: dict[str, Any] = {
        "base": BASE,
        "axes": {"/training/optimizer/learning_rate": [0.01]},
        "seeds": replicas,
    }
    began = time.perf_counter()
    id_ = client.post("/v1/sweeps", json=body).raise_for_status().json()["id"]
    processes.wait_for(
        "the sweep", lambda: sweeps.stored(site.database, id_).status == "done", seconds=600
    )
    seconds = time.perf_counter() - began
    assert client.get(f"/v1/sweeps/{id_}").json()["jobs"] == {"succeeded": replicas}
    return seconds


def told(what: str, seconds: list[float]) -> str:
    spread = f"{min(seconds):.2f}-{max(seconds):.2f}"
    return f"{what:40} median {median(seconds):7.2f} s ({spread}, of {len(seconds)})"


if __name__ == "__main__":
    sys.exit(main())
