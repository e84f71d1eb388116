"""Programs that a warm trainer keeps for the next runs that are like those it has trained.

To build, trace and optimize the graphs of a small model takes half a second, as long as to train
it on digits.
"""

import json
from collections import OrderedDict
from pathlib import Path

import keras

from contract.experiment.datasets import Facts
from contract.experiment.spec import Experiment
from worker.training.data.dataset_cache import DatasetCache, Fetch
from worker.training.data.prepare import Prepared, prepare
from worker.training.program.program import Program

LIMIT, LIMIT_BYTES = 8, 500_000_000
# Of an experiment and of its training: what decides a run's course, and no graph and no data.
_COURSE = {"name", "tags", "priority", "repair"}
_TRAINING_COURSE = {
    "seed", "epochs", "shuffle", "early_stopping", "reduce_lr_on_plateau", "model_checkpoint",
    "terminate_on_nan", "max_seconds",
}  # fmt: skip


class Programs:
    """The programs used last, at most `limit` and `limit_bytes` of them; datasets in `folder`.

    One that is taken is out of here until it is given back: a run that fails in the middle
    leaves nothing to the next.
    """

    def __init__(self, folder: Path, limit: int = LIMIT, limit_bytes: int = LIMIT_BYTES) -> None:
        self._datasets = DatasetCache(folder)
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[str, Program] = OrderedDict()

    def take(self, experiment: Experiment) -> Program | None:
        """One of a like experiment, in the state in which its last run left it."""
        return self._kept.pop(_key(experiment), None)

    def keep(self, experiment: Experiment, program: Program) -> None:
        """Give back what was taken for `experiment`, or is new."""
        self._kept[_key(experiment)] = program
        total = sum(kept.bytes for kept in self._kept.values())
        while len(self._kept) > self._limit or total > self._limit_bytes:
            total -= self._kept.popitem(last=False)[1].bytes

    def forget(self) -> None:
        """Drop all of it, and what Keras and the datasets keep besides."""
        self._kept.clear()
        self._datasets.forget()
        keras.utils.clear_session()

    def prepared(
        self, experiment: Experiment, facts: Facts, data_dir: Path, upload: Fetch | None
    ) -> Prepared:
        """What `experiment` trains on. Raises DatasetUnavailable."""
        arrays = self._datasets.arrays(experiment.dataset, facts, data_dir, upload)
        return prepare(experiment, facts, arrays)


def _key(experiment: Experiment) -> str:
    """Equal for experiments whose graphs and data are the same.

    A learning rate that is a number lives in a variable of the optimizer; a schedule is part of
    the graph.
    """
    shape = experiment.model_dump(mode="json", exclude=_COURSE | {"training"})
    training = experiment.training.model_dump(mode="json", exclude=_TRAINING_COURSE)
    if not isinstance(training["optimizer"]["learning_rate"], dict):
        del training["optimizer"]["learning_rate"]
    return json.dumps([shape, training], sort_keys=True)
