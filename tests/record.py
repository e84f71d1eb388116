"""`make examples`: records what the description of the API shows, from a real run."""

import json
import tempfile
from pathlib import Path
from typing import Any

import httpx

from api.openapi.document import EXAMPLES, operations
from tests import keyring, processes, proofs, sweeps
from tests.sites import Site, site_on

RECIPE = "relu-raw"
EXPERIMENT: dict[str, Any] = {
    "name": "iris",
    "tags": ["example"],
    "dataset": {"name": "iris", "scaling": "standard"},
    "model": {
        "layers": [
            {"type": "Dense", "units": 8, "activation": "relu"},
            {"type": "Dense", "units": 3, "activation": "softmax"},
        ]
    },
    "training": {
        "optimizer": {"type": "SGD", "learning_rate": 0.1},
        "loss": "categorical_crossentropy",
        "batch_size": 30,
        "epochs": 3,
    },
}
# Its inputs reach 1680: it fails, and what repairs it is soon tried.
FAILING = {**EXPERIMENT, "name": "wine", "dataset": {"name": "wine"}}
REPAIRED = {
    **EXPERIMENT,
    "name": "wine, standardised",
    "dataset": {"name": "wine", "scaling": "standard"},
    "training": {**EXPERIMENT["training"], "epochs": 10},
}
FROM_RECIPE = {"recipe": RECIPE, "overrides": {"dataset": {"scaling": "unit"}}}
MISSPELT = {**EXPERIMENT, "tag": ["example"]}
RATE = "/training/optimizer/learning_rate"
SWEEP = {"base": EXPERIMENT, "axes": {RATE: [0.1, 0.01]}, "seeds": 2}
SEARCH = {
    "base": FROM_RECIPE,
    "axes": {
        RATE: {"low": 0.001, "high": 1.0, "log": True},
        "/model/layers/1/activation": ["relu", "sigmoid"],
    },
    "method": "tpe",
    "samples": 20,
    "pruner": {"type": "MedianPruner"},
    "budget": {"epochs": 200},
}
# For no worker: it waits until it is cancelled.
WAITING = {**EXPERIMENT, "name": "iris on a GPU", "device": "gpu"}
FLOWERS = "petal_length,petal_width,species\n" + "".join(
    f"{length},{width},{species}\n"
    for species, length, width in (("setosa", 1.4, 0.2), ("virginica", 5.8, 2.2))
    for length, width in ((length + step / 10, width + step / 20) for step in range(5))
)
JSON_TYPE = "application/json"
JSON = {"Content-Type": JSON_TYPE}
STREAM = {"Accept": "text/event-stream"}


# Recorded of jobs of their own.
_EXPLAINED = ("get_diagnosis", "get_repairs", "get_comparison")
# Jobs that may wait: enough for a proof.
_QUEUE = 10


class Recorder:
    """Asks, and keeps by operation what was sent and what came, but for pictures and models."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.kept: dict[str, Any] = {"problems": {}}

    def ask(self, operation: str, method: str, path: str, **more: Any) -> Any:
        """The answer's JSON, or text; the operation must succeed."""
        answer = self.client.request(method, path, **more)
        assert answer.is_success, answer.text
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        told = answer.json() if media_type == JSON_TYPE else answer.text
        if media_type == JSON_TYPE or media_type.startswith("text/"):
            answers = self._of(operation).setdefault("answers", {})
            answers.setdefault(str(answer.status_code), {})[media_type] = told
        return told

    def refuse(self, status: int, method: str, path: str, **more: Any) -> None:
        """Keep the problem that a request is answered with."""
        answer = self.client.request(method, path, **more)
        assert answer.status_code == status, answer.text
        self.kept["problems"][str(status)] = answer.json()

    def show(self, operation: str, kind: str, **shown: Any) -> None:
        """Keep a request's body or parameters."""
        self._of(operation)[kind] = shown

    def _of(self, operation: str) -> dict[str, Any]:
        found: dict[str, Any] = self.kept.setdefault(operation, {})
        return found


def main() -> None:
    EXAMPLES.write_text('{"problems": {}}')  # those of before may be of routes that have changed
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        limits = {"PLATEAU_AUTH": "keys", "PLATEAU_MAX_QUEUED_JOBS": str(_QUEUE)}
        url = f"sqlite:///{folder / 'plateau.db'}"
        with site_on(url, "memory://", folder, **limits) as site, site.api() as client:
            kept = recorded(site, client)
    # What names this very machine is nobody's business.
    del kept["get_results"]["answers"]["200"]["application/json"]["environment"]["platform"]
    text = json.dumps(kept, indent=1, ensure_ascii=False)
    EXAMPLES.write_text(text + "\n", "utf-8")


def recorded(site: Site, client: httpx.Client) -> dict[str, Any]:
    recorder = Recorder(client)
    recorder.refuse(401, "GET", "/v1/jobs")
    _, reader = keyring.make_in(site.database, "me", "read")
    recorder.refuse(403, "POST", "/v1/jobs", json=EXPERIMENT, headers=keyring.bearer(reader))
    client.headers.update(keyring.bearer(keyring.make_in(site.database, "me")[1]))
    _post(recorder, site)
    _, admin = keyring.make_in(site.database, "me", "admin")
    figures = recorder.ask("get_metrics", "GET", "/metrics", headers=keyring.bearer(admin))
    own = [line for line in figures.splitlines() if "plateau_" in line and "_bucket" not in line]
    recorder.kept["get_metrics"]["answers"]["200"]["text/plain"] = "\n".join(own) + "\n"
    return recorder.kept


def _post(recorder: Recorder, site: Site) -> None:
    bodies = {"an experiment": EXPERIMENT, "a recipe": FROM_RECIPE}
    recorder.show("create_job", "request", **{JSON_TYPE: bodies})
    recorder.ask("create_job", "POST", "/v1/jobs?dry_run=true", json=EXPERIMENT)
    dataset = _upload(recorder)
    with site.worker():
        job_id = recorder.ask("create_job", "POST", "/v1/jobs", json=EXPERIMENT)["id"]
        site.wait_for_end(job_id)
        sweep = _sweep(recorder, site)
        _get(recorder, job_id=job_id, name=RECIPE, dataset_id=dataset["id"], sweep_id=sweep)
        recorder.ask("list_events", "GET", f"/v1/jobs/{job_id}/events", headers=STREAM)
        again = recorder.ask("retry_job", "POST", f"/v1/jobs/{job_id}/retry")["id"]
        site.wait_for_end(again)
        recorder.ask("delete_job", "DELETE", f"/v1/jobs/{again}")
        _explain(recorder, site)
    _cancel_sweep(recorder)
    recorder.ask("delete_dataset", "DELETE", dataset["urls"]["self"])
    waiting = [recorder.client.post("/v1/jobs", json=WAITING) for _ in range(_QUEUE)][-1].json()[
        "urls"
    ]
    _refuse(recorder, waiting["results"])
    recorder.ask("cancel_job", "POST", waiting["cancel"])


def _sweep(recorder: Recorder, site: Site) -> str:
    """The id of one that is done."""
    bodies = {"a grid, each cell twice": SWEEP, "a search": SEARCH}
    recorder.show("create_sweep", "request", **{JSON_TYPE: bodies})
    recorder.ask("create_sweep", "POST", "/v1/sweeps?dry_run=true", json=SWEEP)
    id_ = str(recorder.ask("create_sweep", "POST", "/v1/sweeps", json=SWEEP)["id"])
    processes.wait_for(id_, lambda: sweeps.stored(site.database, id_).status == "done")
    return id_


def _cancel_sweep(recorder: Recorder) -> None:
    """Of one that no worker takes."""
    waiting = recorder.client.post("/v1/sweeps", json={**SWEEP, "base": WAITING}).json()
    recorder.ask("cancel_sweep", "POST", waiting["urls"]["cancel"])


def _explain(recorder: Recorder, site: Site) -> None:
    """A job that fails, the proof of what ails it, and another job beside it."""
    ids = [recorder.client.post("/v1/jobs", json=each).json()["id"] for each in (FAILING, REPAIRED)]
    site.wait_for_end(*ids)
    job = f"/v1/jobs/{ids[0]}"
    bodies = {"what decides most": {}, "three runs of each": {"seeds": 3}}
    recorder.show("create_repairs", "request", **{JSON_TYPE: bodies})
    recorder.ask("create_repairs", "POST", f"{job}/repairs")
    _wait_for_proof(site, ids[0])
    recorder.ask("get_repairs", "GET", f"{job}/repairs")
    recorder.ask("get_diagnosis", "GET", f"{job}/diagnosis")
    pair = {"jobs": ",".join(ids)}
    recorder.ask("create_comparison", "POST", "/v1/compare", params=pair)
    _wait_for_proof(site, pair["jobs"])
    recorder.ask("get_comparison", "GET", "/v1/compare", params=pair)
    other = recorder.client.post("/v1/jobs", json={**FAILING, "repair": "auto"}).json()["id"]
    site.wait_for_end(other)
    recorder.ask("cancel_repairs", "POST", f"/v1/jobs/{other}/repairs/cancel")


def _wait_for_proof(site: Site, proof_id: str) -> None:
    processes.wait_for(proof_id, lambda: proofs.stored(site.database, proof_id).status == "done")


def _upload(recorder: Recorder) -> Any:
    recorder.show("create_dataset", "request", **{"text/csv": {"flowers": FLOWERS}})
    query = {"name": "flowers", "label": "species"}
    more = {"content": FLOWERS, "headers": {"Content-Type": "text/csv"}, "params": query}
    return recorder.ask("create_dataset", "POST", "/v1/datasets", **more)


def _get(recorder: Recorder, **known: str) -> None:
    """Each operation that reads; `known` are the parameters of paths."""
    document = recorder.client.get("/openapi.json").json()
    for path, method, operation in operations(document):
        names = [each["name"] for each in operation.get("parameters", ())]
        shown = {name: known[name] for name in names if f"{{{name}}}" in path}
        recorder.show(operation["operationId"], "parameters", **shown)
        if method == "get" and path != "/metrics" and operation["operationId"] not in _EXPLAINED:
            query = {"limit": 2} if "limit" in names else None
            url = path.format_map(known)
            recorder.ask(operation["operationId"], "GET", url, params=query)


def _refuse(recorder: Recorder, early: str) -> None:
    recorder.refuse(400, "POST", "/v1/jobs", content="{'name'", headers=JSON)
    recorder.refuse(404, "GET", f"/v1/jobs/job_{'0' * 26}")
    recorder.refuse(405, "DELETE", "/v1/jobs")
    recorder.refuse(409, "GET", early)
    recorder.refuse(413, "POST", "/v1/jobs", content=" " * 2_000_000, headers=JSON)
    recorder.refuse(415, "POST", "/v1/jobs", data={"name": "iris"})
    recorder.refuse(422, "POST", "/v1/jobs", json=MISSPELT)
    recorder.refuse(429, "POST", "/v1/jobs", json=EXPERIMENT)
    recorder.refuse(421, "GET", "/v1/jobs", headers={"Host": "evil.example"})
    recorder.refuse(431, "GET", "/v1/jobs", headers={"X-Long": "x" * 40_000})


if __name__ == "__main__":
    main()
