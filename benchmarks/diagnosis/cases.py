"""The benchmark's cases: a working experiment, one fault, what causes it, and a healthy twin."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonpatch

from benchmarks.diagnosis.uploads import Uploaded
from contract.experiment.spec import Experiment

FILE = Path(__file__).with_name("cases.json")

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """`causes` are the codes that name the fault; the first is the one meant.

    The pairs that are `held_out` were made last, and no rule was changed after they were judged.
    """

    name: str
    causes: Sequence[str]
    faulty: Spec
    twin: Spec
    held_out: bool


def pairs(uploads: Mapping[str, Uploaded]) -> list[Pair]:
    """All of them, in the order of the file; `uploads` are the sets that are no catalogue's."""
    stored = json.loads(FILE.read_text())
    for case in stored["faults"]:
        base = stored["bases"][case["base"]]
        case["faulty"] = jsonpatch.apply_patch(base, case["fault"])
        case["twin"] = jsonpatch.apply_patch(base, case["twin"])
    return [
        Pair(
            name=case["name"],
            causes=case["cause"],
            faulty=_named(case["faulty"], case["name"], uploads),
            twin=_named(case["twin"], f"{case['name']}, twin", uploads),
            held_out=case.get("held_out", False),
        )
        for case in (*stored["faults"], *stored["pairs"])
    ]


def _named(spec: Spec, name: str, uploads: Mapping[str, Uploaded]) -> Spec:
    dataset = spec["dataset"]
    upload = uploads.get(dataset["name"])
    known = upload.id if upload is not None else dataset["name"]
    return full({**spec, "name": name, "dataset": {**dataset, "name": known}})


def full(spec: Mapping[str, Any]) -> Spec:
    """With all defaults. Raises ValidationError for what is no experiment."""
    return Experiment.model_validate(spec).model_dump(mode="json")


def with_seed(spec: Spec, seed: int) -> Spec:
    return {**spec, "training": {**spec["training"], "seed": seed}}
