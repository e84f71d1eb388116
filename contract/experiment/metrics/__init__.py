"""Metrics that may be asked for: a class each, with name, arguments and defaults of Keras' own.

A class of a module that is imported here may be posted: by a name that `model.compile` takes, or as
an object. What is measured of every run, asked for or not, is in `contract.experiment.measured`.
"""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import WithJsonSchema

from contract.experiment.base import any_of, in_lower_case, kinds
from contract.experiment.metrics import accuracy, confusion, errors, overlap
from contract.experiment.metrics.metric import Form, KerasMetric
from contract.experiment.unions import ByKind

__all__ = [
    "KINDS",
    "NAMES",
    "Form",
    "Given",
    "KerasMetric",
    "accuracy",
    "confusion",
    "errors",
    "named",
    "overlap",
]

KINDS = tuple(dict.fromkeys(kinds(KerasMetric)))
# Measured of each run with classes or labels, asked for or not; Keras has no one class for it.
ACCURACY = "accuracy"
# By all that `model.compile` knows them by; one that needs an argument has no name alone.
NAMES = {
    name: kind
    for kind in KINDS
    if not any(field.is_required() for key, field in kind.model_fields.items() if key != "type")
    for name in (in_lower_case(kind.__name__), kind.__name__, *kind.short)
}

if TYPE_CHECKING:
    AnyMetric: TypeAlias = KerasMetric
    GivenName: TypeAlias = str
else:
    AnyMetric = any_of(KINDS)
    # Some clients that are made of the API's description know no two names that case alone parts.
    _apart = {name.lower(): name for name in reversed((ACCURACY, *NAMES))}
    _described = {"type": "string", "enum": [n for n in (ACCURACY, *NAMES) if n in _apart.values()]}
    GivenName = Annotated[Literal[(ACCURACY, *NAMES)], WithJsonSchema(_described)]
# As `model.compile` takes them.
Given = Annotated[GivenName | AnyMetric, ByKind()]


def named(given: Given) -> tuple[str, KerasMetric | None]:
    """What it is called, and the class with its arguments; None is accuracy.

    As in Keras, a name is called as it was written.
    """
    if not isinstance(given, str):
        return given.column, given
    kind = NAMES.get(given)
    return given, None if kind is None else kind(type=kind.__name__)
