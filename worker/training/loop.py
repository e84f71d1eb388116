"""The state of one run between two graph calls, and what moves it on."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from contract.experiment.spec import Training
from contract.jobs.reports import FinishedEpoch
from worker.training.callbacks import Callbacks
from worker.training.checkpoint import Checkpoint, Position, assign, require
from worker.training.data.shuffling import Orders
from worker.training.hooks import Hooks, Reason, Stopped
from worker.training.program.graphs import Examples, Pace
from worker.training.program.program import Program
from worker.training.signals.schedule import Watch

PROGRESS_SECONDS = 1.0


class StopAsked(Exception):
    """`Hooks.stop_requested` said so; the loop stands at a step boundary."""


class Loop:
    """Epochs, validation, callbacks and checkpoints of one run."""

    def __init__(
        self,
        training: Training,
        program: Program,
        watch: Watch,
        hooks: Hooks,
        scratch: Path,
        checkpoint_seconds: float,
    ) -> None:
        self._training = training
        self._program = program
        self._watch = watch
        self._hooks = hooks
        self._scratch = scratch
        self._checkpoint_seconds = checkpoint_seconds
        self._callbacks = Callbacks(training, program.model, program.optimizer)
        self._orders = Orders(len(program.train), training)
        self._train_pace, self._evaluation_pace = Pace(), Pace()
        self._rows: list[FinishedEpoch] = []
        self._progressed_at = self._reported_at = time.monotonic()
        self.position = Position()
        self._saved = Position()

    def train(self) -> Reason:
        """Train epoch after epoch, and leave the weights that count. Raises StopAsked."""
        while (reason := self.position.reason) is None:
            self.train_epoch()
            self.close_epoch(self.validate())
        self.take_averages()
        self._callbacks.restore_best_weights()
        return reason

    def train_epoch(self) -> None:
        """Train what is left of the epoch under way."""
        position, passes, examples = self.position, self._program.passes, self._program.train
        watch, epoch = self._watch, position.epoch
        order = self._orders[epoch + 1]
        if position.step == 0:
            passes.begin_epoch()
        steps, cuts = passes.train_steps(examples), watch.cuts(epoch)
        for first, last in self._train_pace.chunks(position.step, steps, cuts):
            self._pause()
            with self._timed():
                watch.before(epoch, first, last)
                losses = passes.train(order, first, last)
                watch.after(epoch, first, losses)
            position.step = last

    def validate(self) -> dict[str, float]:
        """The epoch's `val_` metrics; none without validation."""
        if self._program.validation is None:
            return {}
        with self._timed():
            metrics = self.evaluate(self._program.validation)
        return {f"val_{name}": value for name, value in metrics.items()}

    def evaluate(self, examples: Examples) -> dict[str, float]:
        """Metrics of the present weights; `confusion_matrix` is then that of `examples`."""
        passes = self._program.passes
        passes.begin_evaluation()
        for first, last in self._evaluation_pace.chunks(0, passes.evaluation_steps(examples)):
            self._pause()
            passes.evaluate(examples, first, last)
        return self._program.measures.summary(passes.evaluated, examples.varies)

    def close_epoch(self, validation: dict[str, float]) -> None:
        """Add the epoch's row, decide whether another follows, and report when it is time to."""
        position, program = self.position, self._program
        trained = program.measures.summary(program.passes.totals, program.train.varies)
        metrics = {**trained, **validation}
        position.epoch += 1
        rate = program.learning_rate(self._training)
        self._rows.append(FinishedEpoch(position.epoch, metrics, rate, position.epoch_seconds))
        position.train_seconds += position.epoch_seconds
        position.step, position.epoch_seconds = 0, 0.0
        position.reason = self._reason_to_end(metrics)
        if position.reason is not None:
            self._watch.end(position.epoch)
        due = time.monotonic() - self._reported_at >= self._checkpoint_seconds
        if due or position.reason is not None:
            self._report()

    @property
    def trained_seconds(self) -> float:
        """Of all attempts, as far as their training stands."""
        return self.position.train_seconds + self.position.epoch_seconds

    @property
    def model_epoch(self) -> int:
        """The epoch whose weights are left once all is trained."""
        return self._callbacks.best_epoch or self.position.epoch

    def timing(self) -> dict[str, float]:
        """Of all epochs, those of earlier attempts included."""
        seconds = self.position.train_seconds
        examples = len(self._program.train) * self.position.epoch
        return {"train_seconds": seconds, "examples_per_second": examples / seconds}

    def take_averages(self) -> None:
        """Take the weights' moving averages where the optimizer keeps them, as `model.fit` does."""
        program = self._program
        program.optimizer.finalize_variable_values(program.model.trainable_variables)

    def stop(self) -> Stopped:
        """Save where the run stands, and report what is not yet reported."""
        if self.position == self._saved:
            return Stopped(None)
        if not self._rows:
            return Stopped(self._checkpoint())
        self._report()
        return Stopped(None)

    def start(self, checkpoint: Checkpoint | None) -> None:
        """From `checkpoint` if there is one. Raises RunFailed where it is another experiment's."""
        program = self._program
        if checkpoint is None:
            self._watch.begin()
            return
        assign(program.model.variables, checkpoint.model, "model")
        assign(program.optimizer.variables, checkpoint.optimizer, "optimizer")
        shapes = [tuple(total.shape) for total in program.measures.start()]
        require(shapes, checkpoint.totals, "metrics")
        program.passes.begin_epoch(checkpoint.totals)
        self.position = checkpoint.position
        self._saved = replace(self.position)
        self._watch.unreported = checkpoint.signals
        self._callbacks.resume(self.position.watched, checkpoint.best_weights)

    def _reason_to_end(self, metrics: dict[str, float]) -> Reason | None:
        epoch, training = self.position.epoch, self._training
        over = self._callbacks.end_epoch(epoch, metrics)
        self.position.watched = self._callbacks.watched
        if training.terminate_on_nan and not math.isfinite(metrics["loss"]):
            return "non_finite"
        if epoch == training.epochs:
            return "completed"
        return "early_stopping" if over else None

    def _pause(self) -> None:
        if self._hooks.stop_requested():
            raise StopAsked
        if time.monotonic() - self._progressed_at >= PROGRESS_SECONDS:
            position, epochs = self.position, self._training.epochs
            steps = self._program.passes.train_steps(self._program.train)
            fraction = min(1.0, (position.epoch + position.step / steps) / epochs)
            self._hooks.progress(min(position.epoch + 1, epochs), fraction)
            self._progressed_at = time.monotonic()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.position.epoch_seconds += time.perf_counter() - began

    def _checkpoint(self) -> Path:
        position, program = self.position, self._program
        path = self._scratch / f"epoch-{position.epoch:06d}-step-{position.step:06d}.npz"
        Checkpoint(
            position,
            [variable.numpy() for variable in program.model.variables],
            [variable.numpy() for variable in program.optimizer.variables],
            [total.numpy() for total in program.passes.totals],
            self._watch.unreported,
            self._callbacks.best_weights,
        ).write(path)
        self._saved = replace(position)
        return path

    def _report(self) -> None:
        # Taken first: what is reported must not be in the checkpoint, or it would come twice.
        signals = self._watch.take()
        self._hooks.epochs(self._rows, signals, self._checkpoint())
        self._rows = []
        self._reported_at = time.monotonic()
