"""What is counted of the labels of one part."""

import numpy as np

from api.datasets.reading.arrays import Array
from api.datasets.reading.inputs import Spread
from api.datasets.reading.labels import Labels
from api.datasets.reading.report import Part, Target


class Tally:
    """`counts` are examples, or places, of each class, those with each label, or the finite values
    of each target; quantities on several axes are those of one.

    `whole` says that all targets are whole numbers.
    """

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.examples = 0
        self.counts = np.zeros(labels.kinds, np.int64)
        self.spread = Spread(labels.kinds)
        self.whole = True
        self._sums = np.zeros(labels.kinds)

    def see(self, rows: Array) -> None:
        """`rows` are as `contract.experiment.datasets.Upload` has them."""
        self.examples += len(rows)
        if self.labels.task == "classification":
            self.counts += np.bincount(rows.ravel(), minlength=len(self.counts))
        elif self.labels.task == "multi_label":
            self.counts += rows.sum(axis=0)
        else:
            self._see_quantities(rows.reshape(-1, self.labels.kinds))

    def part(self) -> Part:
        """Of the report."""
        counts = self.counts.tolist()
        if self.labels.task == "classification":
            return Part(examples=self.examples, class_counts=counts)
        if self.labels.task == "multi_label":
            return Part(examples=self.examples, label_counts=counts)
        names = self.labels.columns or [None] * self.labels.kinds
        targets = [self._target(place, name) for place, name in enumerate(names)]
        return Part(examples=self.examples, targets=targets)

    def _see_quantities(self, rows: Array) -> None:
        self.spread.see(rows)
        self.whole = self.whole and bool((rows == np.trunc(rows)).all())
        finite = np.isfinite(rows)
        self.counts += np.count_nonzero(finite, axis=0)
        self._sums += np.where(finite, rows, 0).sum(axis=0, dtype=np.float64)

    def _target(self, place: int, name: str | None) -> Target:
        if not self.counts[place]:
            return Target(name=name, min=None, max=None, mean=None)
        return Target(
            name=name,
            min=float(self.spread.low[place]),
            max=float(self.spread.high[place]),
            mean=float(self._sums[place] / self.counts[place]),
        )
