"""From inputs, labels and a split to the file that is kept, in one pass over the inputs."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np

from api.datasets.reading import duplicates
from api.datasets.reading.arrays import Array
from api.datasets.reading.canonical import array
from api.datasets.reading.holdout import Held
from api.datasets.reading.inputs import Inputs, Spread
from api.datasets.reading.labels import Labels
from api.datasets.reading.options import Limits
from api.datasets.reading.source import Source
from api.datasets.reading.tally import Tally
from api.datasets.reading.workspace import BLOCK, Spool, Workspace, spans
from contract.errors import DatasetRefused

# With fewer, nothing can be said of a part.
_MIN_EXAMPLES = 2


class Part:
    """One part of the dataset, and what was seen of it on its way into the file."""

    def __init__(self, name: str, inputs: Inputs, labels: Labels, workspace: Workspace) -> None:
        self.name = name
        self.spread = Spread(inputs.values)
        self.tally = Tally(labels)
        self.hashes = workspace.spool(np.int64)

    def see(self, rows: Array) -> None:
        """Note the next rows of inputs, (rows, values), on their way into the file."""
        self.spread.see(rows)
        self.hashes.append(duplicates.hashes(rows))


class Assembly:
    """One dataset; `held` tells which examples are for testing."""

    def __init__(self, source: Source, held: Held, workspace: Workspace) -> None:
        self.inputs = inputs = source.inputs
        self.labels = labels = source.labels
        self.weights = source.weights
        self.train = Part("train", inputs, labels, workspace)
        self.test = Part("test", inputs, labels, workspace)
        self._held = held
        self._workspace = workspace
        several = (held(start, stop) for start, stop in spans(inputs.examples, 1))
        self.test_examples = sum(int(np.count_nonzero(block)) for block in several)
        self.train_examples = inputs.examples - self.test_examples

    def check(self, limits: Limits) -> None:
        """Raises DatasetRefused where the file would be too large, or a part of it too small."""
        if min(self.train_examples, self.test_examples) < _MIN_EXAMPLES:
            raise DatasetRefused(self._too_few())
        example = self.inputs.values * self.inputs.dtype.itemsize + self.labels.targets * 4
        weights = 0 if self.weights is None else self.train_examples * 4
        if (total := self.inputs.examples * example + weights) > limits.max_dataset_bytes:
            raise DatasetRefused(
                f"expected at most {limits.max_dataset_bytes:,} bytes (PLATEAU_MAX_DATASET_BYTES) "
                f"with inputs as {self.inputs.dtype} and labels (and weights) of 4 bytes, "
                f"as they are kept; received {total:,}: send fewer examples, or pictures as uint8"
            )

    def _too_few(self) -> str:
        classes, examples = self.labels.classes, self.inputs.examples
        if classes is not None and 2 * len(classes) > examples >= 2 * _MIN_EXAMPLES:
            return (
                f"{len(classes):,} classes were found in {examples:,} examples; expected at least "
                f"{_MIN_EXAMPLES} examples that can be held out for testing, and each class keeps "
                f"one for training, so there are {self.test_examples:,}: if the labels are "
                "quantities, say task=regression; if they are classes, send more of each"
            )
        return (
            f"expected at least {_MIN_EXAMPLES} examples for training and {_MIN_EXAMPLES} for "
            f"testing (held out, where none were sent); received {self.train_examples:,} and "
            f"{self.test_examples:,}: send more"
        )

    def write(self, path: Path) -> None:
        """Write the npz, and see all that there is to be seen."""
        with ZipFile(path, "w") as file:
            self._write_inputs(file)
            self._write_labels(file, self.train, self.train_examples)
            self._write_labels(file, self.test, self.test_examples)
            if self.weights is not None:
                self._write_weights(file, self.weights)

    @property
    def finite(self) -> bool:
        """Whether all values that were written are finite numbers."""
        parts = (self.train, self.test)
        return not any(part.spread.not_finite or part.tally.spread.not_finite for part in parts)

    @property
    def whole_range(self) -> tuple[int, int] | None:
        """Least and greatest input that was written; None where they are floats."""
        if self.inputs.kind == "float32":
            return None
        ends = [end for part in (self.train, self.test) for end in part.spread.range or ()]
        return int(min(ends)), int(max(ends))

    @property
    def repeated(self) -> int:
        """Examples of the test part whose inputs the training part has too."""
        return duplicates.repeated(self.train.hashes, self.test.hashes)

    def _write_inputs(self, file: ZipFile) -> None:
        """The training part goes into the file at once, the test part waits on the disk."""
        inputs = self.inputs
        waiting = self._workspace.spool(inputs.dtype, (inputs.values,))
        start = 0
        with array(file, "x_train", inputs.dtype, (self.train_examples, *inputs.shape)) as write:
            for block in inputs.blocks():
                held = self._held(start, start + len(block))
                start += len(block)
                for part, rows, keep in (
                    (self.train, block[~held], write),
                    (self.test, block[held], waiting.append),
                ):
                    part.see(rows)
                    keep(rows)
        with array(file, "x_test", inputs.dtype, (self.test_examples, *inputs.shape)) as write:
            for block in waiting.blocks():
                write(block)

    def _write_labels(self, file: ZipFile, part: Part, examples: int) -> None:
        labels = self.labels
        shape = (examples, *labels.row)
        with array(file, f"y_{part.name}", labels.dtype, shape) as write:
            for start, stop in spans(self.inputs.examples, 4 * labels.targets, BLOCK // 4):
                held = self._held(start, stop)
                rows = labels.rows(start, stop)[held if part is self.test else ~held]
                part.tally.see(rows)
                write(rows.reshape(len(rows), *labels.row))

    def _write_weights(self, file: ZipFile, weights: Spool) -> None:
        with array(file, "w_train", weights.dtype, (self.train_examples,)) as write:
            for start, stop in spans(weights.length, 4, BLOCK // 4):
                write(weights.rows(start, stop)[~self._held(start, stop)])
