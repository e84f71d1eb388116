"""What a run reached, and what that is to be measured by."""

from dataclasses import dataclass

from sqlmodel import Session

from contract.experiment.datasets import Facts, Task, facts_for
from contract.jobs.variants import experiment_of
from contract.store.documents import read
from contract.store.tables import Job, Result

# Of labels whose shares are not known: always saying the commoner value is never worse.
_OF_LABELS = 0.5


@dataclass(frozen=True)
class Measure:
    """As `diagnosis.proof.yardstick.yardstick` takes it."""

    task: Task
    chance: float | None
    answers: int
    attainable: float | None


@dataclass(frozen=True)
class _Known:
    """What the run's end stored of its task (`worker.job.finish`)."""

    chance: float | None = None
    attainable: float | None = None


def measure_of(session: Session, job: Job) -> Measure:
    """That of `job`, which need not have ended. Raises Unreadable."""
    dataset = experiment_of(job).dataset
    facts = facts_for(dataset, job.upload)
    result = session.get(Result, job.id)
    chance = chance_of(facts, result)
    several = facts.task == "multi_label"
    each = 1 if facts.task == "regression" else facts.targets
    return Measure(
        task=facts.task,
        chance=_OF_LABELS if several and chance is None else chance,
        answers=dataset.test_examples(facts) * each,
        attainable=_known(result).attainable,
    )


def chance_of(facts: Facts, result: Result | None) -> float | None:
    """The accuracy of no learning that was worked out when the run ended, of the test examples.

    Of a run that has not ended, or that another version ended without it, what its confusion
    matrix or the number of classes tells; None where nothing does, and for regression.
    """
    if facts.task == "regression":
        return None
    known = _known(result).chance
    if known is not None or facts.classes is None:
        return known
    counts = [sum(row) for row in (result and result.confusion_matrix) or ()]
    return max(counts) / sum(counts) if sum(counts) > 0 else 1 / facts.classes


def value_of(job: Job) -> float | None:
    """Test accuracy, or R2, of a run that succeeded; it may be NaN."""
    metrics = read(dict[str, float | None], job.metrics or {})
    return metrics.get("test_accuracy", metrics.get("test_r2"))


def _known(result: Result | None) -> _Known:
    return read(_Known, result.diagnosis) if result else _Known()
