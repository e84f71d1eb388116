"""The description of the API (OpenAPI 3.1): what FastAPI knows of the routes, and the rest."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.constants import REF_TEMPLATE
from pydantic.json_schema import models_json_schema
from typing_extensions import override

from api.http.problems import Problem
from api.openapi import glossary, responses

_ABOUT = """\
You POST an experiment; a worker trains it; you poll the job, and fetch what the run left.

- Times are UTC (RFC 3339), durations seconds, sizes bytes. Numbers that JSON does not have are the
  strings "NaN", "Infinity" and "-Infinity".
- Lists are `{"object": "list", "data": [...], "has_more": ...}`: go on with `after` = the last
  item's `id` (of events: `seq`) while `has_more`.
- Errors are problem details (RFC 9457, `application/problem+json`): programs compare `type`; people
  read `detail`; `errors` has a JSON pointer to each field at fault.
- Where keys are on, send `Authorization: Bearer TOKEN`. What is another owner's is 404.
- HEAD is answered wherever GET is.
- `Retry-After` says when it is worth asking again. Each answer has an `X-Request-ID`, which the
  log has too.
- Examples are from a real run. Of long lists they have the first items.
"""
_TAGS = [
    {"name": "jobs", "description": "Submit, look at, stop, run again."},
    {"name": "sweeps", "description": "An experiment over and over, with other values each time."},
    {"name": "results", "description": "What a run leaves behind."},
    {
        "name": "diagnosis",
        "description": "Why a run failed, what proves it, and what makes two runs differ.",
    },
    {
        "name": "datasets",
        "description": "What a spec may name: the catalogue's sets and one's own.",
    },
    {"name": "catalogue", "description": "What can be run, on what, and by whom."},
    {"name": "health", "description": "Whether the service lives, and how it does."},
]
FACTS: dict[str, Any] = {
    "title": "Plateau",
    "summary": "Trains Keras experiments, and returns their learning curves.",
    "description": _ABOUT,
    "openapi_tags": _TAGS,
    "servers": [{"url": "/", "description": "where this description came from"}],
    "license_info": {"name": "MIT", "identifier": "MIT"},
}
# Recorded by `make examples`: problems by status, parameters of paths by name, bodies by operation,
# and answers by `example_name`.
EXAMPLES = Path(__file__).with_name("examples.json")
_JSON = "application/json"
# By the parameter that takes an id: the objects that have it.
_OBJECTS = {
    "job_id": ("Job", "AcceptedJob"),
    "sweep_id": ("Sweep", "SweepTable"),
    "dataset_id": ("KnownDataset",),
}


class Described(FastAPI):
    """An application whose description is complete: `complete` has the rules."""

    _describing = Lock()

    @override
    def openapi(self) -> dict[str, Any]:
        with self._describing:  # who comes meanwhile must not see half of it
            if self.openapi_schema is None:
                complete(super().openapi())
        return super().openapi()

    @cached_property
    def described(self) -> bytes:
        """`openapi` as JSON. To write it takes milliseconds, and anybody may ask for it."""
        return json.dumps(self.openapi(), ensure_ascii=False, separators=(",", ":")).encode()


def complete(document: dict[str, Any]) -> None:
    """Add to FastAPI's `document`, in place, what it cannot know."""
    examples = json.loads(EXAMPLES.read_text("utf-8"))
    components = document["components"]
    for path, method, operation in operations(document):
        responses.refer_to_problems(path, method, operation)
        _show(operation, examples)
    components["examples"] = {name: {"value": told} for name, told in examples["answers"].items()}
    _link(document)
    schemas = components["schemas"]
    for unused in ("HTTPValidationError", "JsonValue", "ValidationError"):
        schemas.pop(unused, None)
    _, problem = models_json_schema([(Problem, "serialization")], ref_template=REF_TEMPLATE)
    schemas |= problem["$defs"]
    for schema in schemas.values():
        _require_tags(schema, schemas)
    components["responses"] = responses.problems(examples["problems"])
    glossary.describe(document)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation) of each."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def example_name(operation_id: str, schema: Mapping[str, Any]) -> str:
    """Of an answer, in components.examples: its model's, or the operation's where it has none."""
    found = schema.get("anyOf", [schema])[0]
    return str(found.get("$ref", operation_id)).rpartition("/")[2]


def _show(operation: dict[str, Any], examples: Mapping[str, Any]) -> None:
    """Put the recorded request and answers beside their schemas."""
    id_, answers = operation["operationId"], examples["answers"]
    for media_type, bodies in examples["requests"].get(id_, {}).items():
        shown = {name: {"value": body} for name, body in bodies.items()}
        operation["requestBody"]["content"][media_type]["examples"] = shown
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path" and parameter["name"] in examples["parameters"]:
            parameter["example"] = examples["parameters"][parameter["name"]]
    for answer in operation["responses"].values():
        for content in answer.get("content", {}).values():
            name = example_name(id_, content["schema"])
            name = f"{name}.{id_}" if f"{name}.{id_}" in answers else name
            if name in answers:
                content["examples"] = {"recorded": {"$ref": f"#/components/examples/{name}"}}


def _link(document: dict[str, Any]) -> None:
    """From each answer that is an object to what can be asked of it."""
    links = document["components"]["links"] = {}
    for parameter, names in _OBJECTS.items():
        about = [o["operationId"] for path, _, o in operations(document) if parameter in path]
        for id_ in about:
            links[id_] = {"operationId": id_, "parameters": {parameter: "$response.body#/id"}}
        objects = [{"$ref": f"#/components/schemas/{name}"} for name in names]
        for each in _answers_with(objects, document):
            each["links"] = {id_: {"$ref": f"#/components/links/{id_}"} for id_ in about}


def _answers_with(
    schemas: Sequence[dict[str, str]], document: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    for _, _, operation in operations(document):
        for answer in operation["responses"].values():
            found = answer.get("content", {}).get(_JSON, {}).get("schema", {})
            if any(each in schemas for each in (found, *found.get("anyOf", ()))):
                yield answer


def _require_tags(schema: Any, schemas: dict[str, Any]) -> None:
    """What tells the members of a union apart must be there, though the models have defaults."""
    if isinstance(schema, list):
        for each in schema:
            _require_tags(each, schemas)
    elif isinstance(schema, dict):
        tag = schema.get("discriminator", {})
        for reference in tag.get("mapping", {}).values():
            member = schemas[reference.rpartition("/")[2]]
            member["required"] = sorted({tag["propertyName"], *member.get("required", ())})
        for each in schema.values():
            _require_tags(each, schemas)
