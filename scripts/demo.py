"""`make demo`: the question's four experiments, over HTTP, on this machine."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from api.auth.caller import keys_needed
from api.results import charts, curve_lines
from contract.settings import Settings, read_settings
from scripts import local
from scripts.local import NotStarted, base_url, running

RECIPES = ("sigmoid-raw", "relu-raw", "relu-unit", "sigmoid-unit")
_POLL_SECONDS = 0.25
_DOWNLOAD_SECONDS = 120
_ROOT = Path(__file__).parents[1]

console = Console(highlight=False)


@dataclass(frozen=True)
class Choice:
    """The dataset that the demo trains on, and why this one."""

    dataset: str
    why: str


def main() -> int:
    settings = read_settings()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        choice = choose_dataset(settings)
        console.print(f"Data set: [bold]{choice.dataset}[/], {choice.why}.")
        console.print("Starting the API and a worker (TensorFlow takes a few seconds) ...")
        with running(settings, settings.var_dir / "log"), local.client(settings) as client:
            jobs = follow(client, post(client, choice))
            show_table(client, jobs, choice)
            show_picture(client, jobs, choice, settings.var_dir / "demo" / "curves.png")
            show_curl(base_url(settings), jobs, choice, keys=keys_needed(settings))
    except NotStarted as reason:
        console.print(f"The demo could not go on: {reason}.", style="red")
        console.print(f"What the API and the worker said is in {settings.var_dir / 'log'}.")
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130
    return 0 if all(job["status"] == "succeeded" for job in jobs) else 1


def choose_dataset(settings: Settings) -> Choice:
    """MNIST from the data folder, else downloaded, else the digits that scikit-learn ships."""
    file = settings.data_dir / "mnist.npz"
    if file.is_file():
        return Choice("mnist", f"found in {settings.data_dir}")
    console.print(f"There is no mnist.npz in {settings.data_dir}: trying to download it ...")
    command = [sys.executable, "-m", "worker.training.data.download", "mnist", str(file)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_DOWNLOAD_SECONDS)
    except subprocess.TimeoutExpired:
        failure = f"the download took more than {_DOWNLOAD_SECONDS} s"
    except subprocess.CalledProcessError as error:
        failure = (error.stderr.decode().strip().splitlines() or ["it said nothing"])[-1]
    else:
        return Choice("mnist", f"downloaded to {settings.data_dir}")
    return Choice(
        "digits",
        "1,797 real digits that come with scikit-learn, because MNIST could not be downloaded "
        f"({failure})",
    )


def post(client: httpx.Client, choice: Choice) -> list[dict[str, Any]]:
    """The four recipes, on the chosen dataset; the recipes themselves name MNIST."""
    jobs = []
    for name in RECIPES:
        body = json.loads((_ROOT / "recipes" / f"{name}.json").read_text())
        body["dataset"]["name"] = choice.dataset
        answer = client.post("/v1/jobs", json=body)
        answer.raise_for_status()
        jobs.append(answer.json())
    return jobs


def follow(client: httpx.Client, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Progress bars until all jobs have ended; returns them as they are then."""
    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(bar_width=36),
        MofNCompleteColumn(),
        TextColumn("epochs  {task.fields[status]:<10}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bars = {
            job["id"]: progress.add_task(
                job["name"], total=job["progress"]["epochs"], status="queued", start=False
            )
            for job in jobs
        }
        while not all(job["terminal"] for job in jobs):
            time.sleep(_POLL_SECONDS)
            jobs = [client.get(job["urls"]["self"]).json() for job in jobs]
            for job in jobs:
                _advance(progress, bars[job["id"]], job)
    return jobs


def _advance(progress: Progress, bar: Any, job: dict[str, Any]) -> None:
    if job["started_at"] is not None:
        progress.start_task(bar)
    progress.update(bar, completed=job["progress"]["epoch"], status=job["status"])
    if job["terminal"]:
        progress.stop_task(bar)


def show_table(client: httpx.Client, jobs: list[dict[str, Any]], choice: Choice) -> None:
    table = Table(title=f"What scaling does, on {choice.dataset}", title_justify="left")
    table.add_column("recipe")
    table.add_column("test accuracy", justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("status")
    table.add_column("verdict")
    for job in jobs:
        results = client.get(job["urls"]["results"]).json()
        accuracy = (job["metrics"] or {}).get("test_accuracy")
        seconds = (results["timing"] or {}).get("train_seconds")
        table.add_row(
            job["name"],
            "-" if accuracy is None else f"{float(accuracy):.3f}",
            "-" if seconds is None else f"{seconds:.1f}",
            job["status"],
            job["verdict"] or "-",
        )
    console.print(table)
    for job in jobs:
        console.print(f"[bold]{job['name']}[/]: {_sentence(job)}")


def _sentence(job: dict[str, Any]) -> str:
    if job["error"] is not None:
        return str(job["error"]["message"]).splitlines()[0]
    return str(job["headline"] or "")


def show_picture(
    client: httpx.Client, jobs: list[dict[str, Any]], choice: Choice, file: Path
) -> None:
    runs = [
        curve_lines.Run(job["name"], client.get(job["urls"]["curves"]).json()["curves"])
        for job in jobs
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(charts.draw(runs, "png", title=f"{choice.dataset}: validation, by epoch"))
    console.print(f"The four learning curves: {file}")


def show_curl(url: str, jobs: list[dict[str, Any]], choice: Choice, *, keys: bool) -> None:
    first = next(job["urls"] for job in jobs if "relu-raw" in job["name"])
    recipe = f"sed s/mnist/{choice.dataset}/ recipes/relu-raw.json | " * (choice.dataset != "mnist")
    body = "@-" if recipe else "@recipes/relu-raw.json"
    curl = "curl -s" + ' -H "Authorization: Bearer $KEY"' * keys
    console.print(
        "\nThe same by hand, while `make serve` runs (these ask for the relu-raw of above):\n"
    )
    if keys:
        console.print("  KEY=$(python -m api.keys create --owner demo)", markup=False)
    for line in (
        f"{recipe}{curl} {url}/v1/jobs -H 'Content-Type: application/json' -d {body}",
        f"{curl} {url}{first['self']}",
        f"{curl} {url}{first['results']}",
        f"{curl} {url}{first['curves']}.csv",
        f"{curl} {url}{first['curves']}.png -o curves.png",
    ):
        console.print(f"  {line}", soft_wrap=True, markup=False)


if __name__ == "__main__":
    sys.exit(main())
