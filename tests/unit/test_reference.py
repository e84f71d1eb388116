"""The reference pages have all that there is, and nothing else: routes, errors, fields."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, get_args

import pytest
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from api.app import create_app
from api.datasets.reading import report
from api.datasets.routes import _MEDIA, Description
from api.http.problems import kinds
from api.sweeps.request import NewSweep
from contract.experiment.datasets import CATALOGUE
from contract.experiment.initializers import InitializerName, InitializerObject, Regularizer
from contract.experiment.layers import KINDS
from contract.experiment.layers.arguments import ActivationName
from contract.experiment.losses import _ALIASES, LossName, LossObject
from contract.experiment.optimizers import Optimizer, Schedule
from contract.experiment.spec import EarlyStopping, Experiment
from contract.settings import Settings
from tests.pages import ROOT, page, rows, section, spans

API, DATA, EXPERIMENT = (page(f"docs/{name}.md") for name in ("api", "data", "experiment"))
CLIPPING = {"clipnorm", "clipvalue", "global_clipnorm"}


def described(text: str) -> dict[str, list[str]]:
    """The cells of each row after its first one, which is a single span of code."""
    found: dict[str, list[str]] = {}
    for first, *others in rows(text):
        if len(spans(first)) == 1 and first == f"`{spans(first)[0]}`":
            assert spans(first)[0] not in found, f"{first} has two rows"
            found[spans(first)[0]] = others
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
    description = json.loads((ROOT / "docs/openapi.json").read_text("utf-8"))
    for path, item in description["paths"].items():
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


def shown(value: Any) -> str:
    """A default as a page has it: JSON."""
    return json.dumps(value.model_dump() if isinstance(value, BaseModel) else value)


def fields(kind: type[BaseModel], before: str = "") -> Iterator[tuple[str, str]]:
    """The path of each field that is no object itself, and its default."""
    for name, field in kind.model_fields.items():
        part = field.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            yield from fields(part, f"{before}{name}.")
        else:
            unset = field.default is PydanticUndefined
            yield before + name, "required" if unset else f"`{shown(field.default)}`"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (section(EXPERIMENT, "All fields"), dict(fields(Experiment))),
        (
            section(EXPERIMENT, "Early stopping"),
            dict(fields(EarlyStopping, "training.early_stopping.")),
        ),
    ],
    ids=["experiment", "early stopping"],
)
def test_the_page_has_every_field_with_its_default(text: str, expected: dict[str, str]) -> None:
    assert {name: cells[0] for name, cells in described(text).items()} == expected


def test_the_page_has_every_field_of_a_sweep() -> None:
    told = {name: cells[0] for name, cells in described(section(API, "A sweep")).items()}
    assert told == {**dict(fields(NewSweep)), "name": "that of the base"}


def kinds_of(union: Any) -> Iterable[type[BaseModel]]:
    """The members of a union that is told apart by `type`."""
    return get_args(get_args(union)[0])


@pytest.mark.parametrize(
    ("title", "classes"),
    [
        ("Layers", KINDS),
        ("Initializers and regularizers", [*kinds_of(InitializerObject), *kinds_of(Regularizer)]),
        ("Optimizers", [*kinds_of(Optimizer), *kinds_of(Schedule)]),
        ("Losses", kinds_of(LossObject)),
    ],
)
def test_the_page_has_every_class_with_its_arguments(
    title: str, classes: Iterable[type[BaseModel]]
) -> None:
    told = described(section(EXPERIMENT, title))
    told = {name: cells for name, cells in told.items() if name[0].isupper()}
    assert {name: spans(cells[0]) for name, cells in told.items()} == {
        each.__name__: list(arguments(each)) for each in classes
    }


def arguments(kind: type[BaseModel]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        if name != "type" and name not in CLIPPING:
            unset = field.default is PydanticUndefined
            yield name if unset else f"{name}={shown(field.default)}"


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Layers", get_args(ActivationName)),
        ("Initializers and regularizers", get_args(InitializerName)),
        ("Optimizers", CLIPPING),
        ("Losses", [*get_args(LossName), *_ALIASES]),
    ],
)
def test_the_page_has_every_name(title: str, names: Iterable[str]) -> None:
    assert set(names) <= set(spans(section(EXPERIMENT, title)))


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
    assert told == {*Description.model_fields, *_MEDIA}


def test_the_page_has_every_check_of_an_upload() -> None:
    told = {span for first, *_ in rows(section(DATA, "The report")) for span in spans(first)}
    assert told == set(get_args(report.Code))
