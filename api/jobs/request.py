"""What may be posted as a job: an experiment, or a recipe and what to change in it.

What is refused is pointed at in the document that came, not in the experiment it stands for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from api.http.pointers import Source, pointer
from api.jobs.recipes import RECIPES, experiment_of
from contract.errors import SpecRefused
from contract.experiment.base import Part
from contract.experiment.pointers import path_of
from contract.experiment.spec import Experiment
from contract.keras_json.fault import Untranslatable
from contract.keras_json.models import is_keras, model_of
from contract.keras_json.training import is_compiled, training_of


def _known(recipe: str) -> str:
    if recipe not in RECIPES:
        expected = ", ".join(f"'{name}'" for name in RECIPES)
        raise PydanticKnownError("literal_error", {"expected": expected})
    return recipe


class FromRecipe(Part):
    """A recipe by its name, and what to change in it."""

    recipe: Annotated[
        str,
        Field(strict=True),
        AfterValidator(_known),
        WithJsonSchema({"type": "string", "enum": list(RECIPES), "examples": ["relu-raw"]}),
    ]
    overrides: dict[str, Any] = Field(
        default={},
        description="a JSON Merge Patch (RFC 7396) on the recipe's experiment: objects are merged, "
        "lists replaced, null leaves a field out",
        examples=[{"name": "scaled", "dataset": {"scaling": "unit"}}],
    )


def _expanded(body: Any) -> Source:
    """Raises ValidationError for what names a recipe, and is no FromRecipe."""
    if not isinstance(body, dict):
        return Source(Experiment, body)
    if "recipe" not in body:
        return _translated(body)
    asked = FromRecipe.model_validate(body)
    return Source(Experiment, experiment_of(asked.recipe, asked.overrides), asked.overrides)


def _translated(body: dict[str, Any]) -> Source:
    """A model as Keras writes it, and what it was compiled with, as an experiment says it.

    Raises SpecRefused, with a pointer to what has no translation.
    """
    found = dict(body)
    model, training = body.get("model"), body.get("training")
    keras = []
    try:
        if is_keras(model):
            found["model"] = model_of(model, ("model",))
            keras.append("model")
        if isinstance(training, dict) and is_compiled(training):
            found["training"] = training_of(training, ("training",))
            keras.append("training")
    except Untranslatable as fault:
        raise SpecRefused(pointer(fault.path), fault.detail) from None
    return Source(Experiment, found, keras=keras)


@dataclass(frozen=True)
class Posted:
    """A body that was accepted, `document`, and the experiment that it stands for."""

    experiment: Experiment
    document: Any
    source: Source

    @staticmethod
    def source_of(body: Any) -> Source:
        """How `body`, accepted or not, says what to run."""
        try:
            return _expanded(body)
        except ValidationError:
            return Source(FromRecipe, body)

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Let a SpecRefused about the experiment point into the document."""
        try:
            yield
        except SpecRefused as refused:
            place, detail = self.source.blame(path_of(refused.pointer), refused.detail)
            raise SpecRefused(pointer(place), detail) from None

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Errors are located as if the experiment itself had been posted."""
        return core_schema.no_info_wrap_validator_function(
            cls._read,
            handler.generate_schema(Experiment),
            json_schema_input_schema=handler.generate_schema(Experiment | FromRecipe),
        )

    @classmethod
    def _read(cls, body: Any, validate: ValidatorFunctionWrapHandler) -> "Posted":
        source = _expanded(body)
        return cls(validate(source.document), body, source)
