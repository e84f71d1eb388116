"""`make examples`: records what the description of the API shows, from a real run."""

import json
import tempfile
from pathlib import Path
from typing import Any

import httpx

from api.openapi.document import EXAMPLES, example_name, operations
from tests import keyring, processes, proofs, sweeps
from tests.sites import Site, site_on

EXPERIMENT: dict[str, Any] = {
    "name": "wine",
    "dataset": {"name": "wine", "scaling": "standard"},
    "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
    "training": {
        "optimizer": {"type": "SGD", "learning_rate": 0.1},
        "loss": "categorical_crossentropy",
        "batch_size": 10,
        "epochs": 2,
    },
}
# Its inputs reach 1680: it fails, and what repairs it is soon tried.
FAILING = {
    **EXPERIMENT,
    "dataset": {"name": "wine"},
    "model": {
        "layers": [
            {"type": "Dense", "units": 8, "activation": "relu"},
            *EXPERIMENT["model"]["layers"],
        ]
    },
}
# Two to compare. What is looked at while they train is shown once, elsewhere.
UNSEEN = [
    {**EXPERIMENT, "signals": "off", "dataset": {"name": "wine"}},
    {**EXPERIMENT, "signals": "off", "training": {**EXPERIMENT["training"], "shuffle": False}},
]
RECIPE = "relu-raw"
FROM_RECIPE = {"recipe": RECIPE, "overrides": {"dataset": {"scaling": "unit"}}}
MISSPELT = {**EXPERIMENT, "tag": ["wine"]}
RATE = "/training/optimizer/learning_rate"
SWEEP = {"base": EXPERIMENT, "axes": {RATE: [0.1, 0.01]}}
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
WAITING = {**EXPERIMENT, "device": "gpu"}
FLOWERS = "petal_length,petal_width,species\n" + "".join(
    f"{length},{width},{species}\n"
    for species, length, width in (("setosa", 1.4, 0.2), ("virginica", 5.8, 2.2))
    for length, width in ((length + step / 10, width + step / 20) for step in range(5))
)
JSON_TYPE = "application/json"
JSON = {"Content-Type": JSON_TYPE}
STREAM = {"Accept": "text/event-stream"}

# Jobs that may wait: enough for a proof.
_QUEUE = 10
# What each operation that reads is asked for, where that makes its answer short.
_QUERIES = {"list_jobs": {"limit": 1, "fields": "id,status,verdict,headline"}}
# Recorded apart.
_ELSEWHERE = (
    *("get_diagnosis", "get_repairs", "get_comparison", "get_metrics"),
    *("list_datasets", "get_dataset"),
)
_KINDS = ("problems", "parameters", "requests", "answers")
# Of a line of the file.
_WIDTH = 100


class Recorder:
    """Asks, and keeps what was sent and what came, but for pictures and models.

    An answer is kept by the name of its model; a second one of that model for its operation alone.
    """

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.kept: dict[str, Any] = {kind: {} for kind in _KINDS}
        self.document = client.get("/openapi.json").json()
        self._operations = {o["operationId"]: o for _, _, o in operations(self.document)}

    def ask(self, operation_id: str, method: str, path: str, **more: Any) -> Any:
        """The answer's JSON, or text; the operation must succeed."""
        answer = self.client.request(method, path, **more)
        assert answer.is_success, answer.text
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        told = answer.json() if media_type == JSON_TYPE else answer.text
        if media_type == JSON_TYPE or media_type.startswith("text/"):
            response = self._operations[operation_id]["responses"][str(answer.status_code)]
            name = example_name(operation_id, response["content"][media_type]["schema"])
            taken = name in self.kept["answers"]
            self.kept["answers"][f"{name}.{operation_id}" if taken else name] = told
        return told

    def refuse(self, status: int, method: str, path: str, **more: Any) -> None:
        """Keep the problem that a request is answered with."""
        answer = self.client.request(method, path, **more)
        assert answer.status_code == status, answer.text
        self.kept["problems"][str(status)] = answer.json()

    def show(self, operation_id: str, media_type: str, **bodies: Any) -> None:
        """Keep bodies of requests."""
        self.kept["requests"][operation_id] = {media_type: bodies}


def main() -> None:
    # Those of before may be of routes that have changed.
    EXAMPLES.write_text(json.dumps({kind: {} for kind in _KINDS}))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        limits = {"PLATEAU_AUTH": "keys", "PLATEAU_MAX_QUEUED_JOBS": str(_QUEUE)}
        url = f"sqlite:///{folder / 'plateau.db'}"
        with site_on(url, "memory://", folder, **limits) as site, site.api() as client:
            kept = recorded(site, client)
    kept["answers"] = {name: _shortened(told) for name, told in kept["answers"].items()}
    EXAMPLES.write_text(_written(kept) + "\n", "utf-8")


def recorded(site: Site, client: httpx.Client) -> dict[str, Any]:
    recorder = Recorder(client)
    recorder.refuse(401, "GET", "/v1/jobs")
    _, reader = keyring.make_in(site.database, "me", "read")
    recorder.refuse(403, "POST", "/v1/jobs", json=EXPERIMENT, headers=keyring.bearer(reader))
    client.headers.update(keyring.bearer(keyring.make_in(site.database, "me")[1]))
    _post(recorder, site)
    _, admin = keyring.make_in(site.database, "me", "admin")
    figures = recorder.ask("get_metrics", "GET", "/metrics", headers=keyring.bearer(admin))
    own = [line for line in figures.splitlines() if "plateau_jobs" in line]
    answers = recorder.kept["answers"]
    answers["get_metrics"] = "\n".join(own) + "\n"
    # What names this very machine is nobody's business.
    del answers["Results"]["environment"]["platform"]
    return recorder.kept


def _post(recorder: Recorder, site: Site) -> None:
    bodies = {"an experiment": EXPERIMENT, "a recipe": FROM_RECIPE}
    recorder.show("create_job", JSON_TYPE, **bodies)
    recorder.ask("create_job", "POST", "/v1/jobs?dry_run=true", json=EXPERIMENT)
    recorder.ask("list_datasets", "GET", "/v1/datasets?limit=1")
    dataset = _upload(recorder)
    with site.worker():
        job_id = recorder.ask("create_job", "POST", "/v1/jobs", json=EXPERIMENT)["id"]
        site.wait_for_end(job_id)
        sweep = _sweep(recorder, site)
        _get(recorder, job_id=job_id, name=RECIPE, dataset_id=dataset["id"], sweep_id=sweep)
        events = f"/v1/jobs/{job_id}/events?after=4"
        recorder.ask("list_events", "GET", events, headers=STREAM)
        _explain(recorder, site)
    waiting = [recorder.client.post("/v1/jobs", json=WAITING) for _ in range(_QUEUE)]
    urls = waiting[-1].json()["urls"]
    _refuse(recorder, urls["results"])
    recorder.ask("cancel_job", "POST", urls["cancel"])


def _sweep(recorder: Recorder, site: Site) -> str:
    """The id of one that is done."""
    recorder.show("create_sweep", JSON_TYPE, **{"a grid": SWEEP, "a search": SEARCH})
    recorder.ask("create_sweep", "POST", "/v1/sweeps?dry_run=true", json=SWEEP)
    id_ = str(recorder.client.post("/v1/sweeps", json=SWEEP).json()["id"])
    processes.wait_for(id_, lambda: sweeps.stored(site.database, id_).status == "done")
    return id_


def _explain(recorder: Recorder, site: Site) -> None:
    """A job that fails, the proof of what ails it, and two jobs side by side."""
    jobs = [FAILING, *UNSEEN]
    failing, *pair = [recorder.client.post("/v1/jobs", json=each).json()["id"] for each in jobs]
    site.wait_for_end(failing, *pair)
    path = f"/v1/jobs/{failing}"
    recorder.ask("get_diagnosis", "GET", f"{path}/diagnosis")
    bodies = {"what decides most": {}, "three runs of each": {"seeds": 3}}
    recorder.show("create_repairs", JSON_TYPE, **bodies)
    recorder.client.post(f"{path}/repairs").raise_for_status()
    _wait_for_proof(site, failing)
    recorder.ask("get_repairs", "GET", f"{path}/repairs")
    query = {"jobs": ",".join(pair)}
    recorder.client.post("/v1/compare", params=query).raise_for_status()
    _wait_for_proof(site, query["jobs"])
    recorder.ask("get_comparison", "GET", "/v1/compare", params=query)


def _wait_for_proof(site: Site, proof_id: str) -> None:
    processes.wait_for(proof_id, lambda: proofs.stored(site.database, proof_id).status == "done")


def _upload(recorder: Recorder) -> Any:
    recorder.show("create_dataset", "text/csv", flowers=FLOWERS)
    query = {"name": "flowers", "label": "species"}
    more = {"content": FLOWERS, "headers": {"Content-Type": "text/csv"}, "params": query}
    return recorder.ask("create_dataset", "POST", "/v1/datasets", **more)


def _get(recorder: Recorder, **known: str) -> None:
    """Each operation that reads; `known` are the parameters of paths."""
    recorder.kept["parameters"] = known
    for path, method, operation in operations(recorder.document):
        id_ = operation["operationId"]
        names = [each["name"] for each in operation.get("parameters", ())]
        if method == "get" and id_ not in _ELSEWHERE:
            query = _QUERIES.get(id_, {"limit": 1} if "limit" in names else None)
            recorder.ask(id_, "GET", path.format_map(known), params=query)


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


def _shortened(told: Any, name: str = "") -> Any:
    """`told`, of lists of numbers and texts the first three, of lists of long objects the first.

    A model is told whole, and so are the two jobs of a comparison.
    """
    if isinstance(told, dict):
        return {
            key: each if key == "model" else _shortened(each, key) for key, each in told.items()
        }
    if not isinstance(told, list):
        return told
    if told and isinstance(told[0], int | float | str):
        return told[:3]
    long = any(isinstance(each, dict) and len(json.dumps(each)) > _WIDTH for each in told)
    return [_shortened(each) for each in (told[:1] if long and name != "jobs" else told)]


def _written(value: Any, *, indent: int = 0, before: int = 0) -> str:
    """`value` as JSON of lines, which short members share."""
    line = json.dumps(value, ensure_ascii=False)
    if not value or not isinstance(value, dict | list) or indent + before + len(line) < _WIDTH:
        return line
    if isinstance(value, dict):
        names = [f"{json.dumps(name)}: " for name in value]
        members = [
            name + _written(each, indent=indent + 1, before=len(name))
            for name, each in zip(names, value.values(), strict=True)
        ]
    elif len(value) == 1:
        return f"[{_written(value[0], indent=indent)}]"
    else:
        members = [_written(each, indent=indent + 1) for each in value]
    lines = members[:1]
    for member in members[1:]:
        shared = f"{lines[-1]}, {member}"
        if "\n" in shared or indent + len(shared) > _WIDTH - 2:
            lines.append(member)
        else:
            lines[-1] = shared
    inner = ",\n".join(" " * (indent + 1) + each for each in lines)
    return f"{line[0]}\n{inner}\n{' ' * indent}{line[-1]}"


if __name__ == "__main__":
    main()
