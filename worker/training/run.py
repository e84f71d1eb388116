"""One run from the dataset to the final metrics."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import tensorflow as tf

from contract.errors import RunFailed
from contract.experiment.datasets import Facts, aimed
from contract.experiment.spec import Experiment
from worker.training.checkpoint import Checkpoint
from worker.training.data.dataset_cache import Fetch
from worker.training.data.prepare import Prepared, class_counts
from worker.training.device import environment, place
from worker.training.hooks import Finished, Hooks, Reason, Stopped
from worker.training.loop import Loop, StopAsked
from worker.training.program.cache import Programs
from worker.training.program.program import Program, assemble


def train(
    experiment: Experiment,
    facts: Facts,
    *,
    upload: Fetch | None,
    data_dir: Path,
    scratch: Path,
    resume: Path | None,
    checkpoint_seconds: float,
    hooks: Hooks,
    programs: Programs,
) -> Finished | Stopped:
    """Train `experiment`, from its start or from the checkpoint `resume`.

    `facts` are its dataset's, with its own labels; `upload` fetches the file of an uploaded one.

    An epoch is reported only together with a checkpoint at or after its end, so a reported epoch
    is never trained again; epochs shorter than `checkpoint_seconds` share a checkpoint and a
    report. All files are written into the folder `scratch`, which must exist. What earlier runs
    left in `programs` changes how long this one takes, and nothing else. Global seeds are set.
    Raises RunFailed for what a user can act on: no dataset, no GPU, not enough memory, nothing that
    XLA compiles, numbers that an Embedding has no row for; and CheckpointUnusable.
    """
    device = place(experiment.device)
    with _explained(), tf.device(device):
        began = time.perf_counter()
        kept = programs.take(experiment)
        data = kept.data if kept else programs.prepared(experiment, facts, data_dir, upload)
        loaded = time.perf_counter()
        facts = aimed(experiment.dataset, facts)

        program = _at_its_start(kept, experiment, facts, data)
        watch = program.watch(experiment, facts)
        loop = Loop(experiment.training, program, watch, hooks, scratch, checkpoint_seconds)
        loop.start(Checkpoint.read(resume) if resume else None)
        setup = {"load_seconds": loaded - began, "compile_seconds": time.perf_counter() - loaded}
        hooks.started(loop.position.epoch, setup["compile_seconds"], loop.trained_seconds)

        end: Finished | Stopped
        try:
            reason, metrics = loop.train(), _final_metrics(loop, program)
        except StopAsked:
            end = loop.stop()
        else:
            timing = setup | loop.timing()
            end = _finished(
                program, facts, reason, loop.model_epoch, metrics, timing, device, scratch
            )
        programs.keep(experiment, program)
        return end


def _at_its_start(
    kept: Program | None, experiment: Experiment, facts: Facts, data: Prepared
) -> Program:
    if kept is None:
        return assemble(experiment, facts, data)
    kept.begin_again(experiment, facts)
    return kept


def _finished(
    program: Program,
    facts: Facts,
    reason: Reason,
    model_epoch: int,
    metrics: dict[str, float],
    timing: dict[str, float],
    device: str,
    scratch: Path,
) -> Finished:
    confusion = program.passes.confusion_matrix()
    counts = class_counts(program.data.test.y, facts)
    if confusion is not None and facts.per_place:
        counts = [sum(row) for row in confusion]  # without places that a mask passes over
    return Finished(
        metrics=metrics,
        confusion_matrix=confusion,
        class_counts=counts,
        timing=timing,
        environment=environment(device),
        model=_saved(program.model, scratch),
        scaling=program.data.save_scaling(scratch),
        reason=reason,
        model_epoch=model_epoch,
    )


def _final_metrics(loop: Loop, program: Program) -> dict[str, float]:
    """The test part comes last: the confusion matrix is to be its."""
    parts = {"train": program.train, "test": program.test}
    return {
        f"{part}_{name}": value
        for part, examples in parts.items()
        for name, value in loop.evaluate(examples).items()
    }


def _saved(model: keras.Model, scratch: Path) -> Path:
    file = scratch / "model.keras"
    model.save(file)
    return file


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except tf.errors.UnimplementedError as error:
        raise RunFailed(
            "not_implemented",
            f"TensorFlow has no way to compute this here: {str(error).partition(chr(10))[0]}",
            "leave training.jit_compile out, or train on another device",
        ) from error
    except tf.errors.InvalidArgumentError as error:
        outside = re.search(r"= (-?\d+) is not in \[0, (\d+)\)", str(error))
        if outside is None:
            raise
        raise RunFailed(
            "number_out_of_range",
            f"an Embedding was given the number {outside[1]}, and has rows for 0 to "
            f"{int(outside[2]) - 1}",
            "make its input_dim larger than any number of the data, and leave dataset.scaling out",
        ) from error
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        detail = str(error).partition("\n")[0] or "it cannot be allocated"
        raise RunFailed(
            "out_of_memory",
            f"there was not enough memory for this run: {detail}",
            "use a smaller batch_size, fewer or smaller layers, or a dataset.limit",
        ) from error
