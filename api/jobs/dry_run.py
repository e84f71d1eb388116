"""What a dry run answers: what an experiment would cost, and what it already shows."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.jobs.findings import Finding, findings
from contract.experiment.datasets import Facts
from contract.experiment.spec import Experiment
from contract.settings import Settings
from contract.sizing.cost import Cost
from contract.sizing.limits import time_limit
from contract.sizing.metric_fit import metrics_of


class LayerPreview(BaseModel):
    """A layer as it would be built."""

    index: int = Field(ge=0, description="place in model.layers")
    type: str
    output_shape: list[int] = Field(description="of one example")
    parameters: int
    trainable_parameters: int
    flops: int = Field(description="forward pass of one example; a multiply-add counts as 2")
    activations: int = Field(description="numbers of one example kept for the backward pass")


class MemoryPreview(BaseModel):
    """An estimate in bytes, beside what TensorFlow itself takes."""

    weights: int = Field(description="parameters, their gradients, and the optimizer's slots")
    activations: int = Field(description="a batch in flight")
    dataset: int = Field(description="the examples, as read and as tensors")
    total: int


class DryRun(BaseModel):
    """What a job would be. Nothing was stored."""

    model_config = ConfigDict(from_attributes=True)

    object: Literal["dry_run"] = "dry_run"
    layers: list[LayerPreview]
    output_shape: list[int] = Field(description="of one example")
    parameters: int
    trainable_parameters: int
    memory: MemoryPreview
    flops_per_example: int = Field(description="forward pass")
    flops_total: int = Field(description="the whole training, without validation")
    steps_per_epoch: int = Field(description="batches")
    metrics: list[str] = Field(
        description="what is measured after each epoch, and with val_ of the validation part; "
        "one that gives a list has a name for each of its numbers"
    )
    max_seconds: float = Field(description="a run that has trained for so long ends as failed")
    findings: list[Finding]
    spec: dict[str, Any] = Field(description="the experiment, as a job would store it")


def preview(experiment: Experiment, facts: Facts, cost: Cost, settings: Settings) -> DryRun:
    """`facts` are its dataset's, `cost` is what `contract.sizing.limits.check` found."""
    return DryRun.model_validate(
        {
            **vars(cost),
            "metrics": [m.name for m in metrics_of(experiment, facts, cost.output_shape)],
            "max_seconds": time_limit(experiment, settings),
            "findings": findings(experiment, facts),
            "spec": experiment.model_dump(mode="json", exclude_unset=True),
        },
        from_attributes=True,
    )
