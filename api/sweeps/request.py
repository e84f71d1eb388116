"""What may be posted as a sweep, and the experiments that come of it.

What is refused is pointed at in the document that came: the value of an axis, or the base.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError, WithJsonSchema

from api.http.pointers import pointer
from api.http.validation_errors import MAX_FAULTS, Fault, faults_in
from api.jobs.request import Posted
from contract.errors import SpecRefused
from contract.experiment.datasets import Facts, facts_for
from contract.experiment.pointers import Path, path_of, split
from contract.experiment.spec import Experiment, Name
from contract.settings import Settings
from contract.sizing.cost import Cost
from contract.sizing.limits import check
from contract.sweeps.axes import Cell, Range, Values, key, placed
from contract.sweeps.check import check_objective, check_plan, resolved
from contract.sweeps.plan import Plan, objective_of

UploadOf = Callable[[Experiment], dict[str, Any] | None]
_BASE = TypeAdapter(Posted)
_SCHEMAS = [{"$ref": f"#/components/schemas/{name}"} for name in ("Experiment", "FromRecipe")]


class NewSweep(Plan):
    """A base, and what to vary in it."""

    name: Annotated[Name | None, Field(description="by default that of the base")] = None
    base: Annotated[dict[str, Any], WithJsonSchema({"anyOf": _SCHEMAS})] = Field(
        description="an experiment, or a recipe and what to change in it, as POST /v1/jobs takes it"
    )


@dataclass(frozen=True)
class Planned:
    """A cell that could be posted as a job."""

    cell: Cell
    experiment: Experiment
    cost: Cost


class Reader:
    """What a document stands for. Raises SpecRefused where its plan or its base is at fault."""

    def __init__(self, new: NewSweep, settings: Settings, upload_of: UploadOf) -> None:
        check_plan(new, settings)
        self._settings = settings
        self._upload_of = upload_of
        self._posted = _posted(new.base)
        self.uploads: dict[str, Any] = {}
        experiment = self._posted.experiment
        self.name = new.name or experiment.name
        self.base = experiment.model_dump(mode="json", exclude_unset=True)
        self.plan = Plan.model_validate(new.model_dump(include=set(Plan.model_fields)))
        with self._blamed((), self.base):
            facts = self._facts(experiment)
        self.plan = resolved(self.plan, experiment, facts)

    def cells(self) -> list[Planned]:
        """Those to begin with. Raises SpecRefused with the faults of all of them."""
        found: list[Planned] = []
        faults: dict[str, SpecRefused] = {}
        for cell in self.plan.first():
            try:
                found.append(self._cell(cell))
            except SpecRefused as refused:
                for each in (refused, *refused.more):
                    faults.setdefault(each.pointer, each)
            if len(faults) >= MAX_FAULTS:
                break
        if faults:
            raise _together(list(faults.values()))
        return found

    def _cell(self, cell: Cell) -> Planned:
        document = placed(self.base, self.plan.axes, cell)
        with self._blamed(cell, document):
            experiment = Experiment.model_validate(document)
            facts = self._facts(experiment)
            cost = check(experiment, facts, self._settings)
        check_objective(objective_of(self.plan), experiment, facts, cost.output_shape)
        return Planned(cell, experiment, cost)

    def _facts(self, experiment: Experiment) -> Facts:
        name = experiment.dataset.name
        if name not in self.uploads and (upload := self._upload_of(experiment)) is not None:
            self.uploads[name] = upload
        return facts_for(experiment.dataset, self.uploads.get(name))

    @contextmanager
    def _blamed(self, cell: Cell, document: Any) -> Iterator[None]:
        """Let what is refused of the experiment `document` point to what made it so."""
        try:
            yield
        except ValidationError as error:
            faults = [
                (path_of(fault.pointer or ""), fault.detail) for fault in _faults(error, document)
            ]
            raise _together([self._refused(cell, *fault) for fault in faults]) from None
        except SpecRefused as refused:
            raise self._refused(cell, path_of(refused.pointer), refused.detail) from None

    def _refused(self, cell: Cell, path: Path, detail: str) -> SpecRefused:
        """The fault at `path` of the experiment, where the sweep's document decides on it."""
        for axis, (at, values) in zip(cell, self.plan.axes.items(), strict=False):
            place = _within(values, axis, split(at), path)
            if place is not None:
                above = len(path) < len(split(at))
                told = f"{pointer(path)} of the experiment: {detail}" if above else detail
                return SpecRefused(pointer(("axes", at, *place)), told)
        place, told = self._posted.source.blame(path, detail)
        with_ = dict(zip(self.plan.axes, cell, strict=False))
        return SpecRefused(
            pointer(("base", *place)), told + (f" (with {json.dumps(with_)[:200]})" if cell else "")
        )


def _within(values: Values | Range, value: Any, axis: Sequence[str], path: Path) -> Path | None:
    """Below an axis, the place of the fault at `path`; None where the axis has no part in it."""
    told = [str(part) for part in path]
    if told[: len(axis)] != list(axis[: len(told)]):
        return None
    number = (
        () if isinstance(values, Range) else ([key(each) for each in values].index(key(value)),)
    )
    return (*number, *path[len(axis) :])


def _posted(base: dict[str, Any]) -> Posted:
    try:
        return _BASE.validate_python(base)
    except ValidationError as error:
        raise _together(
            [SpecRefused(f"/base{f.pointer or ''}", f.detail) for f in _faults(error, base)]
        ) from None


def _faults(error: ValidationError, document: Any) -> list[Fault]:
    errors = [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
    return faults_in(errors, Posted.source_of(document))[0]


def _together(faults: Sequence[SpecRefused]) -> SpecRefused:
    first, *more = faults[:MAX_FAULTS]
    return SpecRefused(first.pointer, first.detail, more)
