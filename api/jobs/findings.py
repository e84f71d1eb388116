"""What an experiment shows to be wrong before it is trained."""

import logging
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.jobs import responses
from contract.experiment.datasets import Facts
from contract.experiment.spec import Experiment, described
from diagnosis import lint

log = logging.getLogger(__name__)


class Repair(BaseModel):
    """A change that would mend a finding."""

    model_config = ConfigDict(from_attributes=True)

    title: str = Field(description="what is changed")
    patch: list[dict[str, Any]] = Field(description="a JSON Patch (RFC 6902) of the experiment")


class Finding(BaseModel):
    """Something that the experiment alone shows to be wrong; it never blocks a job."""

    model_config = ConfigDict(from_attributes=True)

    pointer: str = Field(description="JSON pointer (RFC 6901) into the experiment")
    code: str = Field(description="for programs")
    level: Literal["warning", "error"] = Field(
        description="error: the run cannot learn as it should; warning: it may not"
    )
    detail: str = Field(description="what is wrong, in words")
    repairs: list[Repair] = Field(description="what would mend it, the likeliest first")


class AcceptedJob(responses.Job):
    """A job as it was queued, and what its experiment already shows."""

    findings: list[Finding]


def findings(experiment: Experiment, facts: Facts) -> list[Finding]:
    """None where they cannot be worked out: that is our fault, and blocks no job."""
    try:
        found = lint.findings(described(experiment), vars(facts))
        return [Finding.model_validate(finding) for finding in found]
    except Exception:
        log.exception("no findings for an experiment on %s", experiment.dataset.name)
        return []
