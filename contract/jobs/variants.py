"""What a patch makes of a job's experiment, checked as if it had been posted."""

from collections.abc import Mapping, Sequence
from typing import Any

from jsonpatch import JsonPatch, JsonPatchException, JsonPointerException
from pydantic import ValidationError

from contract.errors import SpecRefused, Unreadable
from contract.experiment.datasets import facts_for
from contract.experiment.pointers import join
from contract.experiment.spec import Experiment
from contract.settings import Settings
from contract.sizing.limits import check
from contract.sizing.metric_fit import fitting
from contract.store.tables import Job

Patch = Sequence[Mapping[str, Any]]


class Variants:
    """Experiments that differ from `job`'s by a patch (RFC 6902) of its spec with all defaults.

    `others` are jobs whose uploaded datasets a patch may name. Metrics that the change leaves
    without meaning are left out.
    """

    def __init__(self, job: Job, settings: Settings, others: Sequence[Job] = ()) -> None:
        self.job = job
        self.spec = full_spec(job)
        self._uploads = {each.dataset: each.upload for each in (*others, job)}
        self._settings = settings

    def __call__(self, patch: Patch) -> dict[str, Any] | None:
        """The spec with all its defaults; None where `patch` makes none that could be trained."""
        try:
            experiment = self.experiment(patch)
            facts = facts_for(experiment.dataset, self.upload(experiment))
            experiment = fitting(experiment, facts)
            check(experiment, facts, self._settings)
        except (
            JsonPatchException, JsonPointerException, ValidationError, SpecRefused, Unreadable
        ):  # fmt: skip
            return None
        return experiment.model_dump(mode="json")

    def experiment(self, patch: Patch) -> Experiment:
        """Unchecked but for its form. Raises what `__call__` catches."""
        changed = JsonPatch(list(patch)).apply(self.spec)
        return Experiment.model_validate(changed)

    def upload(self, experiment: Experiment) -> dict[str, Any] | None:
        """The file behind an experiment's dataset, as in `contract.store.tables.Job`; None for one
        of the catalogue."""
        return self._uploads.get(experiment.dataset.name)


def experiment_of(job: Job) -> Experiment:
    """What a job is to train, of which nothing may be left out. Raises Unreadable."""
    try:
        return Experiment.model_validate(job.spec)
    except ValidationError as error:
        fault = error.errors()[0]
        at = join(fault["loc"])
        raise Unreadable(
            f"{job.id} was posted to another version of the service, and this one takes no such "
            f"experiment: {at}: {fault['msg']}; received {str(fault['input'])[:100]}; post it "
            "again as it is taken now"
        ) from None


def full_spec(job: Job) -> dict[str, Any]:
    """As JSON, with the defaults that whoever posted it left out.

    Of an experiment that this version no longer takes, what was posted.
    """
    try:
        return experiment_of(job).model_dump(mode="json")
    except Unreadable:
        return job.spec
