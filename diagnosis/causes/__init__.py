"""What may be wrong with a run, one family of causes a module. A new one is an entry here."""

from collections.abc import Callable, Iterator, Sequence

from diagnosis.causes import (
    activations,
    batch_size,
    capacity,
    data,
    dead,
    head,
    initialisation,
    input_scale,
    learning_rate,
    overfitting,
    precision,
    regularisation,
    saturation,
    targets,
    undertrained,
    vanishing,
)
from diagnosis.report import Cause, Finding
from diagnosis.run.case import Case
from diagnosis.run.setup import Setup

# Each says how surely a run that failed did so for its cause, or nothing. The first may ail any
# run, the others only one that did not even learn its training part.
ANY: Sequence[Callable[[Case], Cause | None]] = (head.cause, data.cause, overfitting.cause)
UNLEARNED: Sequence[Callable[[Case], Cause | None]] = (
    targets.cause,
    initialisation.cause,
    input_scale.cause,
    precision.cause,
    learning_rate.cause,
    vanishing.cause,
    activations.cause,
    regularisation.cause,
    batch_size.cause,
    capacity.cause,
    saturation.cause,
    dead.cause,
    undertrained.cause,
)

# Each says what is seen of its causes before training.
FINDINGS: Sequence[Callable[[Setup], Iterator[Finding]]] = (
    head.findings,
    data.findings,
    initialisation.findings,
    input_scale.findings,
    learning_rate.findings,
    vanishing.findings,
    activations.findings,
    regularisation.findings,
    batch_size.findings,
    capacity.findings,
    undertrained.findings,
)
