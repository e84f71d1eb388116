"""The description of the API: whole, true to what is answered, and the one in the repository."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from api.app import create_app
from api.http.problems import MEDIA_TYPE, WIRE
from api.openapi.document import operations
from api.openapi.glossary import WORDS
from contract.settings import Settings
from scripts.openapi import SNAPSHOT, described

# What no client can bring about at will.
NOT_RECORDED = {"Problem408", "Problem410", "Problem500", "Problem503", "Problem507"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def media(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(operation and status, media type, what it has) of each body, shared answers included."""
    for _, _, operation in operations(document):
        bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for which, body in bodies.items():
            for media_type, content in body.get("content", {}).items():
                yield f"{operation['operationId']} {which}", media_type, content
    for name, answer in document["components"]["responses"].items():
        for media_type, content in answer["content"].items():
            yield name, media_type, content


def examples(document: dict[str, Any], content: dict[str, Any]) -> list[Any]:
    shared = document["components"]["examples"]
    named = [
        (shared[each["$ref"].rpartition("/")[2]] if "$ref" in each else each)["value"]
        for each in content.get("examples", {}).values()
    ]
    return [*named, content["example"]] if "example" in content else named


def test_the_snapshot_is_what_is_served() -> None:
    assert SNAPSHOT.read_text("utf-8") == described(), "see what changed, then: make openapi"


def test_every_operation_is_told_and_every_body_shown(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        assert operation["description"], path
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (path, parameter["name"])
            assert parameter["in"] != "path" or "example" in parameter, path
    missing = {
        name
        for name, _, content in media(document)
        if content["schema"].get("format") != "binary" and not examples(document, content)
    }
    assert missing == NOT_RECORDED


def test_every_field_is_told(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
        for field, told in schema.get("properties", {}).items():
            assert told.get("description"), (name, field)


def test_what_is_shown_is_as_the_schema_says(document: dict[str, Any]) -> None:
    for name, media_type, content in media(document):
        schema = {**content["schema"], "components": document["components"]}
        validator = jsonschema_rs.Draft202012Validator(schema)
        for example in examples(document, content):
            assert not list(validator.iter_errors(example)), f"{name} {media_type}: make examples"


def test_every_operation_tells_its_problems(document: dict[str, Any]) -> None:
    shared = document["components"]["responses"]
    for path, method, operation in operations(document):
        told = {status for status in operation["responses"] if status >= "400"}
        for status in told:
            assert operation["responses"][status]["$ref"].rpartition("/")[2] in shared
        wanted = {*map(str, WIRE), "500"}
        if "security" in operation:
            wanted |= {"401", "429", "503"} | (set() if method == "get" else {"403"})
        if "{" in path:
            wanted |= {"404"}
        assert wanted <= told, path
    for answer in shared.values():
        assert list(answer["content"]) == [MEDIA_TYPE]


def test_a_job_leads_to_what_can_be_asked_of_it(document: dict[str, Any]) -> None:
    about = {o["operationId"] for path, _, o in operations(document) if "{job_id}" in path}
    for path, method in (("/v1/jobs", "post"), ("/v1/jobs/{job_id}/retry", "post")):
        assert set(document["paths"][path][method]["responses"]["202"]["links"]) == about


def test_it_is_served_as_it_is(api: Any) -> None:
    assert json.loads(described()) == api.get("/openapi.json")


def test_no_word_is_left_over(document: dict[str, Any]) -> None:
    fields = {
        name
        for schema in document["components"]["schemas"].values()
        for name in schema.get("properties", {})
    }
    assert set(WORDS["fields"]) <= fields
    parameters = {
        parameter["name"]
        for _, _, operation in operations(document)
        for parameter in operation.get("parameters", ())
    }
    assert set(WORDS["parameters"]) <= parameters
