"""What a run reached, and what that is to be measured by."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from contract.datasets import Task, facts_of
from contract.numbers import decode
from contract.spec import Experiment
from contract.tables import Job, Result


@dataclass(frozen=True)
class Measure:
    """As `diagnosis.yardstick.yardstick` takes it."""

    task: Task
    classes: int | None
    class_counts: Sequence[int]
    test_examples: int
    attainable: float | None


def measure_of(session: Session, job: Job) -> Measure:
    """That of `job`, which need not have ended."""
    facts = facts_of(job.dataset, job.upload)
    result = session.get(Result, job.id)
    return Measure(
        task=facts.task,
        classes=facts.classes,
        class_counts=[sum(row) for row in (result and result.confusion_matrix) or ()],
        test_examples=Experiment.model_validate(job.spec).dataset.test_examples(facts),
        attainable=decode(result.diagnosis.get("attainable")) if result else None,
    )


def value_of(job: Job) -> float | None:
    """Test accuracy, or R2, of a run that succeeded; it may be NaN."""
    metrics = job.metrics or {}
    return decode(metrics.get("test_accuracy", metrics.get("test_r2")))
