"""The reference pages have all that there is, and nothing else: routes, errors, fields."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import RouteContext, iter_route_contexts

from api.app import create_app
from api.http.problems import kinds
from contract.experiment.datasets import CATALOGUE
from contract.experiment.layers.layer import Layer
from contract.experiment.metrics import KINDS, NAMES
from contract.experiment.optimizers import OPTIMIZERS
from contract.settings import Settings
from tests.pages import page, rows, section, spans, without_code

Schema = dict[str, Any]
API, DATA, EXPERIMENT = (page(f"docs/{name}.md") for name in ("api", "data", "experiment"))
# Losses have the same names.
METRICS = section(EXPERIMENT, "Metrics")
# Another test compares it with what is served.
DESCRIPTION = json.loads(page("docs/openapi.json"))
DEFINED: dict[str, Schema] = DESCRIPTION["components"]["schemas"]
# The same of each; it is told once.
ANY_OPTIMIZER = set.intersection(
    *(set(DEFINED[kind.__name__]["properties"]) for kind in OPTIMIZERS.values())
) - {"type", "learning_rate", "weight_decay"}


def described(text: str) -> dict[str, list[str]]:
    """The cells of each row after its first one, which is a span of code, or several."""
    found: dict[str, list[str]] = {}
    for first, *others in rows(text):
        names = spans(first)
        if names and first == ", ".join(f"`{name}`" for name in names):
            assert not found.keys() & set(names), f"{first} has two rows"
            found |= dict.fromkeys(names, others)
    return found


def nameless(path: str) -> str:
    """{} stands for an id or a name."""
    return re.sub(r"\{\w+\}", "{}", path)


ROUTES = {
    nameless(route): cells
    for route, cells in described(API).items()
    if route.partition(" ")[0] in ("GET", "POST", "DELETE")
}


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[RouteContext]:
    app = create_app(Settings(var_dir=tmp_path_factory.mktemp("reference")))
    return list(iter_route_contexts(app.routes))


def test_the_page_has_every_route_and_no_other(routes: list[RouteContext]) -> None:
    served = {
        nameless(f"{method} {route.path}") for route in routes for method in route.methods or ()
    } - {"GET /docs/{}"}  # what the page there loads
    assert set(ROUTES) == served


def operations() -> Iterator[tuple[str, list[str]]]:
    """Each route of the API's description, and its parameters of the query and the head."""
    for path, item in DESCRIPTION["paths"].items():
        for method, operation in item.items():
            named = [
                each["name"] for each in operation.get("parameters", ()) if each["in"] != "path"
            ]
            yield nameless(f"{method.upper()} {path}"), named


@pytest.mark.parametrize(("route", "parameters"), [*operations()])
def test_each_route_is_told_with_its_parameters(route: str, parameters: list[str]) -> None:
    assert sorted(spans(ROUTES[route][0])) == sorted(parameters)


def test_the_page_has_every_error() -> None:
    told = {
        int(status): set(spans(cells[0]))
        for status, *cells in rows(section(API, "Errors"))
        if status.isdecimal()
    }
    assert told == {status: set(slugs) for status, slugs in kinds().items()}


def default_of(name: str, schema: Schema) -> str | None:
    """As JSON, where `name` need not be given; null is not written into the description."""
    if name in schema.get("required", ()):
        return None
    return json.dumps(schema["properties"][name].get("default"))


def fields(schema: Schema, before: str = "") -> Iterator[tuple[str, str]]:
    """The path of each field that is no object with a default of its own, and its default."""
    for name, field in schema["properties"].items():
        part = DEFINED.get(field.get("$ref", "").rpartition("/")[2], {})
        if "properties" in part:
            yield from fields(part, f"{before}{name}.")
        else:
            default = default_of(name, schema)
            yield before + name, "required" if default is None else f"`{default}`"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (section(EXPERIMENT, "All fields"), dict(fields(DEFINED["Experiment"]))),
        (
            section(EXPERIMENT, "Early stopping"),
            dict(fields(DEFINED["EarlyStopping"], "training.early_stopping.")),
        ),
        (
            section(EXPERIMENT, "A learning rate that falls"),
            dict(fields(DEFINED["ReduceLROnPlateau"], "training.reduce_lr_on_plateau.")),
        ),
        (
            section(EXPERIMENT, "The model of the best epoch"),
            dict(fields(DEFINED["ModelCheckpoint"], "training.model_checkpoint.")),
        ),
        (
            section(API, "A sweep"),
            {**dict(fields(DEFINED["NewSweep"])), "name": "that of the base"},
        ),
    ],
    ids=["experiment", "early stopping", "falling rate", "checkpoint", "sweep"],
)
def test_the_page_has_every_field_with_its_default(text: str, expected: dict[str, str]) -> None:
    assert {name: cells[0] for name, cells in described(text).items()} == expected


def kinds_in(schema: Any) -> Iterator[str]:
    """The names of all that `schema` is made of, each once."""
    known: set[str] = set()
    waiting = [schema]
    while waiting:
        match waiting.pop():
            case dict(found):
                name = str(found.get("$ref", "")).rpartition("/")[2]
                if name and name not in known:
                    known.add(name)
                    waiting.append(DEFINED[name])
                    yield name
                waiting += found.values()
            case list(found):
                waiting += found


def test_the_page_has_every_class_with_its_arguments() -> None:
    """Layers, initializers, regularizers, optimizers, schedules and losses."""
    there = EXPERIMENT.partition("## What Keras has and Plateau has not")[0].replace(METRICS, "")
    told = {name: cells for name, cells in described(there).items() if name[0].isupper()}
    schemas = {name: DEFINED[name] for name in set(kinds_in(DEFINED["Experiment"]))}
    assert {name: sorted(spans(cells[0])) for name, cells in told.items()} == {
        name: sorted(arguments(schema))
        for name, schema in schemas.items()
        if schema.get("properties", {}).get("type", {}).get("const") == name
    }


def test_the_page_has_what_every_optimizer_takes() -> None:
    told = described(section(EXPERIMENT, "Optimizers"))
    assert {name: told[name][0] for name in ANY_OPTIMIZER} == {
        name: f"`{default_of(name, DEFINED['SGD'])}`" for name in ANY_OPTIMIZER
    }


def test_the_page_has_every_metric_with_its_arguments_and_what_it_fits() -> None:
    short = {"one-hot": "one_hot", "numbers": "sparse", "labels": "multi_label"}
    short |= {"binary": "binary", "quantities": "regression"}
    told = {
        name: (
            sorted(spans(cells[0])),
            spans(cells[1]),
            [short[each] for each in cells[2].split(", ")],
        )
        for name, cells in described(METRICS).items()
    }
    assert told == {
        kind.__name__: (
            sorted(arguments(DEFINED[f"{kind.__name__}Metric"])),
            [name for name, each in NAMES.items() if each is kind and name != kind.__name__],
            [*kind.fits],
        )
        for kind in KINDS
    }


def arguments(schema: Schema) -> Iterator[str]:
    for name in schema["properties"].keys() - ANY_OPTIMIZER - Layer.model_fields.keys():
        default = default_of(name, schema)
        yield name if default is None else f"{name}={default}"


def values_in(schema: Any) -> Iterator[str]:
    """All words that may be chosen from."""
    if isinstance(schema, dict):
        yield from schema.get("enum", ())
        for value in schema.values():
            yield from values_in(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from values_in(value)


def test_the_page_has_every_name() -> None:
    """Of activations, initializers and losses, and all else that is chosen from some words."""
    told = {each.strip('"') for each in spans(without_code(EXPERIMENT))}
    schemas = [DEFINED[name] for name in {"Experiment", *kinds_in(DEFINED["Experiment"])}]
    assert set(values_in(schemas)) - set(CATALOGUE) <= told


def test_the_page_has_the_catalogue() -> None:
    told = described(section(DATA, "The catalogue"))
    assert {name: cells[:4] for name, cells in told.items()} == {
        name: [
            facts.task,
            ", ".join(map(str, facts.shape)),
            str(facts.classes or ""),
            f"{facts.train_examples:,} + {facts.test_examples:,}",
        ]
        for name, facts in CATALOGUE.items()
    }


def test_the_page_has_what_an_upload_says() -> None:
    text = section(DATA, "What the request says")
    told = {span for first, *_ in rows(text) for span in spans(first)}
    upload = DESCRIPTION["paths"]["/v1/datasets"]["post"]
    parameters = {each["name"] for each in upload["parameters"]}
    assert told == {*parameters, *upload["requestBody"]["content"]}


def test_the_page_has_every_check_of_an_upload() -> None:
    told = {span for first, *_ in rows(section(DATA, "The report")) for span in spans(first)}
    assert told == set(DEFINED["Check"]["properties"]["code"]["enum"])
