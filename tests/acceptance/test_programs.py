"""What a warm trainer keeps changes no bit of the next run."""

import multiprocessing
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.experiment.spec import Experiment
from tests.acceptance.test_training import (
    DENSE,
    FLAT,
    FOLLOWED,
    NO_FILES,
    RESUMED,
    SOFTMAX,
    Recorder,
    bits,
    equal_parts,
    run,
    spec,
    without_places,
)
from worker.trainer import memory
from worker.trainer.memory import Allowance
from worker.training.hooks import Finished, Stopped
from worker.training.program.cache import Programs
from worker.training.program.graphs import Examples
from worker.training.runtime import configure

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

# Dropout with batch normalization and early stopping; dropout with noise; momentum and a schedule.
EXPERIMENTS = {
    "resumed": RESUMED,
    "noise": FOLLOWED["Adam, dropout, noise"],
    "schedule": FOLLOWED["CNN, batch normalization, schedule"],
    "regression": FOLLOWED["regression, standard"],
    "float16, XLA": FOLLOWED["float16, XLA"],
}
Trace = tuple[list[dict[str, str]], list[tuple[Any, ...]], Finished]


def changed(experiment: Experiment, **training: Any) -> Experiment:
    return experiment.model_copy(
        update={"training": experiment.training.model_copy(update=training), "name": "other"}
    )


def like(experiment: Experiment) -> Experiment:
    """Other numbers, the same graphs."""
    optimizer = experiment.training.optimizer
    if isinstance(optimizer.learning_rate, float):
        optimizer = optimizer.model_copy(update={"learning_rate": 0.123})
    return changed(experiment, seed=8, epochs=2, shuffle=False, optimizer=optimizer)


def trace(experiment: Experiment, scratch: Path, programs: Programs) -> Trace:
    """All that a run says of itself, but for times and places."""
    scratch.mkdir(exist_ok=True)
    hooks = Recorder()
    end = run(experiment, scratch, hooks, programs=programs)
    assert isinstance(end, Finished)
    return bits(hooks.rows), equal_parts(hooks.signals), without_places(end)


def trace_all(scratch: Path) -> dict[str, Trace]:
    configure(threads=1)
    return {name: trace(EXPERIMENTS[name], scratch, Programs(NO_FILES)) for name in EXPERIMENTS}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trace]:
    """Of a process that trains nothing else, each with nothing kept."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(trace_all, [tmp_path_factory.mktemp("fresh")])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_kept_program_leaves_no_trace(name: str, fresh: dict[str, Trace], tmp_path: Path) -> None:
    programs, experiment = Programs(NO_FILES), EXPERIMENTS[name]
    assert trace(like(experiment), tmp_path, programs) != fresh[name]
    kept = programs.take(experiment)
    assert kept is not None
    programs.keep(experiment, kept)
    assert trace(experiment, tmp_path, programs) == fresh[name]
    trace(spec([*FLAT, *DENSE, *SOFTMAX]), tmp_path, programs)
    assert trace(experiment, tmp_path, programs) == fresh[name]
    assert programs.take(experiment) is kept


def test_a_run_that_diverged_leaves_none_either(fresh: dict[str, Trace], tmp_path: Path) -> None:
    programs, experiment = Programs(NO_FILES), EXPERIMENTS["regression"]
    optimizer = experiment.training.optimizer.model_copy(update={"learning_rate": 1e38})
    diverged = trace(changed(experiment, optimizer=optimizer), tmp_path, programs)[2]
    assert diverged.reason == "non_finite"
    assert trace(experiment, tmp_path, programs) == fresh["regression"]


def test_a_stopped_run_goes_on_with_a_kept_program(fresh: dict[str, Trace], tmp_path: Path) -> None:
    programs, hooks = Programs(NO_FILES), Recorder(stop_at=9)
    stopped = run(RESUMED, tmp_path, hooks, programs=programs)
    assert isinstance(stopped, Stopped)
    assert stopped.checkpoint is not None
    trace(like(RESUMED), tmp_path, programs)
    end = run(RESUMED, tmp_path, hooks, stopped.checkpoint, programs=programs)
    assert isinstance(end, Finished)
    rows, signals, finished = fresh["resumed"]
    assert bits(hooks.rows) == rows
    assert equal_parts(hooks.signals) == signals
    assert without_places(end) == finished


def test_mapped_examples_are_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 32), np.uint8))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="c")
    whole, rest = Examples.of(mapped, np.zeros(4)), Examples.of(mapped[1:], np.zeros(3))
    mapped[:] = 7
    assert whole.x.numpy().max() == 7
    assert rest.x.numpy().max() == 0, "it begins where TensorFlow takes over no array"


def held_after_each(scratch: Path) -> tuple[int, list[int], bool]:
    """Bytes that a process held at its start and between jobs of different models, and whether it
    is to be replaced."""
    configure(threads=1)
    programs = Programs(NO_FILES)
    start, held = memory.held_bytes(), []
    allowance = Allowance(ALLOWED_BYTES, programs.forget, begun=True)
    for units in range(6):
        layers = [{"type": "Dense", "units": 16 + units, "activation": "relu"}] * 30
        run(spec([*FLAT, *layers, *SOFTMAX]), scratch, Recorder(), programs=programs)
        replaced = allowance.exceeded()
        held.append(memory.held_bytes())
        if replaced:
            break
    return start, held, replaced


ALLOWED_BYTES = 250_000_000


def test_what_programs_really_hold_is_bounded(tmp_path: Path) -> None:
    """Each holds some 50 MB, mostly graphs, and has 0.1 MB of variables."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        start, held, replaced = pool.apply(held_after_each, [tmp_path])
    assert not replaced
    assert max(held) <= start + ALLOWED_BYTES
    assert any(after < before for before, after in pairwise(held)), "it was given back"


def test_a_run_that_fails_leaves_nothing(tmp_path: Path) -> None:
    class Broken(Recorder):
        def started(self, epoch: int, seconds: float, train_seconds: float) -> None:
            raise RuntimeError

    programs, experiment = Programs(NO_FILES), spec([*FLAT, *SOFTMAX])
    trace(experiment, tmp_path, programs)
    with pytest.raises(RuntimeError):
        run(experiment, tmp_path, Broken(), programs=programs)
    assert programs.take(experiment) is None


@pytest.mark.parametrize(
    "other",
    [
        lambda: spec([*FLAT, *SOFTMAX], batch_size=30),
        lambda: spec([*FLAT, *DENSE, *SOFTMAX]),
        lambda: spec([*FLAT, *SOFTMAX], optimizer={"type": "SGD", "momentum": 0.5}),
        lambda: spec([*FLAT, *SOFTMAX], dataset={"name": "digits", "limit": 150}),
        lambda: spec([*FLAT, *SOFTMAX], validation={"on": "none"}),
        lambda: spec([*FLAT, *SOFTMAX], dtype_policy="mixed_bfloat16"),
        lambda: spec([*FLAT, *SOFTMAX], jit_compile=True),
        lambda: spec([*FLAT, *SOFTMAX]).model_copy(update={"signals": "off"}),
    ],
)
def test_what_shapes_a_program_tells_it_from_others(
    other: Callable[[], Experiment], tmp_path: Path
) -> None:
    programs, experiment = Programs(NO_FILES), spec([*FLAT, *SOFTMAX])
    trace(experiment, tmp_path, programs)
    assert programs.take(other()) is None
    assert programs.take(like(experiment)) is not None


def test_only_the_last_ones_are_kept(tmp_path: Path) -> None:
    programs, both = (
        Programs(NO_FILES, limit=1),
        [spec([*FLAT, *SOFTMAX]), spec([*FLAT, *DENSE, *SOFTMAX])],
    )
    for experiment in both:
        trace(experiment, tmp_path, programs)
    first, second = (programs.take(experiment) for experiment in both)
    assert first is None
    assert second is not None
    small = Programs(NO_FILES, limit_bytes=second.bytes - 1)
    small.keep(both[1], second)
    assert small.take(both[1]) is None
