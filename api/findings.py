"""What an experiment shows to be wrong before it is trained."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from api import present, views
from contract.datasets import Facts, facts_of
from contract.settings import Settings
from contract.spec import Experiment
from contract.tables import Job
from diagnosis import before, report

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


class AcceptedJob(views.Job):
    """A job as it was queued, and what its experiment already shows."""

    findings: list[Finding]


def accepted(session: Session, job: Job, settings: Settings) -> AcceptedJob:
    """`job` as the one that posted it is told of it."""
    facts = facts_of(job.dataset, job.upload)
    found = findings(Experiment.model_validate(job.spec), facts)
    view = dict(present.job(session, job, settings))
    return AcceptedJob.model_validate({**view, "findings": found}, from_attributes=True)


def findings(experiment: Experiment, facts: Facts) -> Sequence[report.Finding]:
    """None where they cannot be worked out: that is our fault, and blocks no job."""
    try:
        return before.findings(experiment.model_dump(mode="json"), asdict(facts))
    except Exception:
        log.exception("no findings for an experiment on %s", experiment.dataset.name)
        return ()
