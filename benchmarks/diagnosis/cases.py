"""The benchmark's cases: a working experiment, one fault, what causes it, and a healthy twin."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonpatch

from benchmarks.diagnosis.uploads import Uploaded
from contract.spec import Experiment

FILE = Path(__file__).with_name("cases.json")

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """`causes` are the codes that name the fault; the first is the one meant.

    `held_out` pairs are those that no threshold was fitted to: every other one.
    """

    name: str
    causes: Sequence[str]
    faulty: Spec
    twin: Spec
    held_out: bool


def pairs(uploads: Mapping[str, Uploaded]) -> list[Pair]:
    """All of them, in the order of the file; `uploads` are the sets that are no catalogue's."""
    stored = json.loads(FILE.read_text())

    def made(name: str, base: str, patch: Any) -> Spec:
        spec = jsonpatch.apply_patch({"name": name, **stored["bases"][base]}, patch)
        name_ = spec["dataset"]["name"]
        spec["dataset"]["name"] = uploads[name_].id if name_ in uploads else name_
        return full(spec)

    return [
        Pair(
            name=case["name"],
            causes=case["cause"],
            faulty=made(case["name"], case["base"], case["fault"]),
            twin=made(f"{case['name']}, twin", case["base"], case["twin"]),
            held_out=number % 2 == 1,
        )
        for number, case in enumerate(stored["cases"])
    ]


def full(spec: Mapping[str, Any]) -> Spec:
    """With all defaults. Raises ValidationError for what is no experiment."""
    return Experiment.model_validate(spec).model_dump(mode="json")


def with_seed(spec: Spec, seed: int) -> Spec:
    return {**spec, "training": {**spec["training"], "seed": seed}}
