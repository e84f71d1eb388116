"""What a patch makes of a job's experiment, checked as if it had been posted."""

from collections.abc import Mapping, Sequence
from typing import Any

from jsonpatch import JsonPatch, JsonPatchException, JsonPointerException
from pydantic import ValidationError

from contract.budget import check
from contract.datasets import facts_of
from contract.errors import SpecRefused
from contract.settings import Settings
from contract.spec import Experiment
from contract.tables import Job

Patch = Sequence[Mapping[str, Any]]


class Variants:
    """Experiments that differ from `job`'s by a patch (RFC 6902) of its spec with all defaults.

    `others` are jobs whose uploaded datasets a patch may name.
    """

    def __init__(self, job: Job, settings: Settings, others: Sequence[Job] = ()) -> None:
        self.spec = full_spec(job)
        self._uploads = {each.dataset: each.upload for each in (*others, job)}
        self._settings = settings

    def __call__(self, patch: Patch) -> dict[str, Any] | None:
        """The spec with all its defaults; None where `patch` makes none that could be trained."""
        try:
            experiment = self.experiment(patch)
            facts = facts_of(experiment.dataset.name, self.upload(experiment))
            check(experiment, facts, self._settings)
        except (JsonPatchException, JsonPointerException, ValidationError, SpecRefused):
            return None
        return experiment.model_dump(mode="json")

    def experiment(self, patch: Patch) -> Experiment:
        """Unchecked but for its form. Raises what `__call__` catches."""
        changed = JsonPatch(list(patch)).apply(self.spec)
        return Experiment.model_validate(changed)

    def upload(self, experiment: Experiment) -> dict[str, Any] | None:
        return self._uploads.get(experiment.dataset.name)


def full_spec(job: Job) -> dict[str, Any]:
    """As JSON, with the defaults that whoever posted it left out."""
    return Experiment.model_validate(job.spec).model_dump(mode="json")
