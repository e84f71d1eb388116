"""`make answer`: runs all that docs/relu-vs-sigmoid.md says, and writes its tables and pictures.

Every run is a job of this service, posted over HTTP. A table stands in the page between two
comments that name it, and is replaced there; the pictures lie in docs/relu-vs-sigmoid/.
"""

import json
import signal
import sys
import time
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import Progress

from contract.settings import read_settings
from scripts import answer_pictures, answer_tables, local
from scripts.local import NotStarted, running

_ROOT = Path(__file__).parents[1]
PAGE = _ROOT / "docs" / "relu-vs-sigmoid.md"
_POLL_SECONDS = 20

Spec = dict[str, Any]
console = Console(highlight=False)


def experiments() -> dict[str, Spec]:
    """By name: the recipes, and what settles each of the thread's answers."""
    recipes = {
        path.stem: json.loads(path.read_text())
        for path in sorted((_ROOT / "recipes").glob("*.json"))
        if path.stem != "keras-mnist-mlp"  # nobody in the thread spoke of it
    }
    found = dict(recipes)
    raw, unit = recipes["relu-raw"], recipes["relu-unit"]
    clip = {"type": "Clip", "x_min": 1e-10, "x_max": 0.999999}
    found["relu-output-unit"] = _changed(unit, "relu-output-unit", head="relu")
    for name, base in (("clip-raw", raw), ("clip-unit", unit)):
        found[name] = _changed(base, name, layers=[clip])
    found["300-no-clip"] = deepcopy(recipes["relu-300-clip"])
    found["300-no-clip"]["name"] = "300-no-clip"
    found["300-no-clip"]["model"]["layers"] = [
        layer for layer in found["300-no-clip"]["model"]["layers"] if layer["type"] != "Clip"
    ]
    for name in answer_tables.FOUR:
        for rate in answer_tables.RATES:
            label = f"{name}-lr-{rate:g}"
            found[label] = _changed(recipes[name], label, rate=rate)
    return found


def _changed(
    base: Spec,
    name: str,
    *,
    layers: list[Spec] | None = None,
    head: str | None = None,
    rate: float | None = None,
) -> Spec:
    """`base` with `layers` added at its end, another activation of its last layer, or rate."""
    spec = deepcopy(base)
    spec["name"] = name
    spec["model"]["layers"] += layers or []
    if head is not None:
        spec["model"]["layers"][-1]["activation"] = head
    if rate is not None:
        spec["training"]["optimizer"]["learning_rate"] = rate
    return spec


class Service:
    """The running service, as a client of its API sees it."""

    def __init__(self, client: httpx.Client, dataset: str) -> None:
        self._client = client
        self._dataset = dataset

    def get(self, path: str) -> dict[str, Any]:
        answer = self._client.get(path)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def post(self, path: str, body: Spec | None = None) -> dict[str, Any]:
        answer = self._client.post(path, json=body)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def run(self, specs: Mapping[str, Spec]) -> dict[str, "Run"]:
        """Train all, and return what came of each. Raises NotStarted where one did not succeed."""
        paths = {}
        for name, spec in specs.items():
            spec["dataset"]["name"] = self._dataset
            paths[name] = self.post("/v1/jobs", spec)["urls"]["self"]
        with Progress(console=console) as progress:
            bar = progress.add_task("runs", total=len(paths))
            for path in paths.values():
                self._ended(path)
                progress.advance(bar)
        return {name: Run(self, path) for name, path in paths.items()}

    def prove(self, run: "Run") -> dict[str, Any]:
        """The repairs of `run`, once they are through."""
        path = run.job["urls"]["repairs"]
        proof = self.post(path)
        while proof["status"] == "running":
            for trial in proof["trials"]:
                for each in trial["runs"]:
                    self._ended(each["url"])
            time.sleep(0.2)  # the next round begins when the last run of this one has ended
            proof = self.get(path)
        return proof

    def _ended(self, path: str) -> None:
        while not (job := self.get(f"{path}?wait={_POLL_SECONDS}"))["terminal"]:
            pass
        if job["status"] != "succeeded":
            raise NotStarted(f"{job['name']} is {job['status']}: {job['error']}")


class Run:
    """A job that succeeded: all that the API says of it."""

    def __init__(self, service: Service, path: str) -> None:
        self.job = service.get(path)
        self.results = service.get(self.job["urls"]["results"])
        self.signals = service.get(self.job["urls"]["signals"])


def main() -> int:
    settings = read_settings()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    dataset = "mnist" if (settings.data_dir / "mnist.npz").is_file() else "digits"
    if dataset == "digits":
        console.print(
            f"There is no mnist.npz in {settings.data_dir}: the runs are on digits, and go to "
            f"{settings.var_dir / 'answer'}; the page is that of MNIST and stays as it is."
        )
    page = PAGE if dataset == "mnist" else _copy(settings.var_dir / "answer")
    try:
        with running(settings, settings.var_dir / "log"), local.client(settings) as client:
            service = Service(client, dataset)
            runs = service.run(experiments())
            proof = service.prove(runs["relu-raw"])
            diagnosis = service.get(runs["relu-raw"].job["urls"]["diagnosis"])
    except NotStarted as reason:
        console.print(f"There is no answer: {reason}.", style="red")
        return 1
    except KeyboardInterrupt:
        return 130
    tables = answer_tables.tables(runs, proof, diagnosis)
    page.write_text(with_tables(page.read_text(), tables))
    folder = page.parent / page.stem
    folder.mkdir(exist_ok=True)
    for name, picture in answer_pictures.pictures_of(runs).items():
        (folder / f"{name}.png").write_bytes(picture)
    for name, table in tables.items():
        console.print(f"\n{name}\n{table}", markup=False, soft_wrap=True)
    console.print(f"\n{page} and {folder} are those of these runs.", soft_wrap=True)
    return 0


def _copy(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / PAGE.name
    page.write_text(PAGE.read_text())
    return page


def with_tables(text: str, tables: Mapping[str, str]) -> str:
    """The page with each table between the two comments that name it. Raises ValueError else."""
    for name, table in tables.items():
        mark = f"<!-- {name} -->"
        before, _, after = text.split(mark)  # it stands before and behind the table
        text = f"{before}{mark}\n{table}\n{mark}{after}"
    return text


if __name__ == "__main__":
    sys.exit(main())
