"""Optuna's answers: within the axes, the same for the same trials, and those of its own pruners."""

import math
from collections.abc import Set
from math import log10
from statistics import median
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from typing_extensions import override

from contract.sweeps.axes import Range
from contract.sweeps.plan import Plan
from tests.sweeps import RATE, UNITS
from tests.unit.contract.sweeps.test_axes import LISTS, lies_on, ranges
from worker.duties.optuna_study import Search
from worker.duties.optuna_trials import Known, Trial

LOG = {"low": 1e-4, "high": 1.0, "log": True}
MEDIAN = {"type": "MedianPruner", "n_startup_trials": 2}
HYPERBAND = {"type": "HyperbandPruner"}


def plan(axes: dict[str, Any], **more: Any) -> Plan:
    asked = {"method": "tpe", "samples": 50, "objective": {"metric": "val_accuracy", "goal": "max"}}
    return Plan.model_validate({"axes": axes, **asked, **more})


def ended(cell: list[Any], value: float, state: Any = "complete") -> Trial:
    return Trial(cell, state, value, (), Known())


def curve(*values: float, told: int = 0, state: Any = "running", attrs: Any = None) -> Trial:
    value = values[-1] if state == "complete" else None
    return Trial([0.1], state, value, values, Known(told, attrs or {}))


@given(axis=LISTS | ranges(), seed=st.integers(0, 9), data=st.data())
@hypothesis_settings(max_examples=50)
def test_what_is_proposed_lies_on_the_axes(axis: Any, seed: int, data: st.DataObject) -> None:
    search = Search("s", plan({"/a": axis, "/b": (1, [2], {"c": 3})}, seed=seed), epochs=5)
    trials: list[Trial] = []
    for _ in range(12):  # the first ten are drawn at random
        cell = search.propose(trials)
        assert lies_on(cell[0], axis)
        assert cell[1] in (1, [2], {"c": 3})
        assert search.propose(trials) == cell
        state = data.draw(st.sampled_from(["complete", "running", "fail", "pruned"]))
        trials.append(ended(list(cell), data.draw(st.floats(-1, 1)), state))


def test_it_comes_closer_to_what_is_best() -> None:
    search = Search("s", plan({RATE: LOG, UNITS: {"low": 1, "high": 100}}), epochs=5)
    trials: list[Trial] = []
    for _ in range(40):
        rate, units = search.propose(trials)
        trials.append(ended([rate, units], -abs(log10(rate) + 2) - abs(units - 60) / 25))
    at_random, late = (
        median(trial.value or 0 for trial in part) for part in (trials[:10], trials[-10:])
    )
    assert late > at_random / 2


def test_the_median_pruner_ends_what_lags_behind() -> None:
    search = Search("s", plan({RATE: [0.1]}, pruner=MEDIAN), epochs=5)
    done = [curve(0.5, 0.6, 0.7, 0.8, 0.9, state="complete") for _ in range(2)]
    assert search.prune([*done, curve(0.7, 0.8)]) == {2: Known(2)}
    assert search.prune([*done, curve(0.7, 0.5, 0.4)]) == {2: Known(3)}
    assert search.prune([*done, curve(0.1, 0.9)]) == {2: Known(1, pruned=True)}
    assert search.prune([*done, curve(0.1, 0.9, told=1)]) == {2: Known(2)}
    assert search.prune([*done, curve(0.9, 0.1, 0.1, 0.1, told=3)]) == {2: Known(4)}
    ending = Trial([0.1], "running", None, (0.1, 0.9), Known(1, pruned=True))
    assert search.prune([*done, ending]) == {}
    assert search.prune([done[0], curve(0.1, 0.2)]) == {1: Known(2)}
    assert search.prune([*done, curve(0.1, told=1)]) == {}


def test_what_was_told_last_says_whether_it_is_time_to_look() -> None:
    search = Search("s", plan({RATE: [0.1]}, pruner={**MEDIAN, "interval_steps": 3}), epochs=9)
    done = [curve(*[0.5] * 9, state="complete") for _ in range(2)]
    assert search.prune([*done, curve(0.2, 0.1, 0.1, 0.1, 0.1, told=4)]) == {2: Known(5)}
    assert search.prune([*done, curve(0.2, 0.1, 0.1, 0.1, 0.1, 0.1, told=5)]) == {
        2: Known(6, pruned=True)
    }


def test_the_last_epoch_is_not_pruned() -> None:
    search = Search("s", plan({RATE: [0.1]}, pruner=MEDIAN), epochs=1)
    done = [curve(0.9, state="complete")] * 2
    assert search.prune([*done, curve(0.1)]) == {2: Known(1)}


def test_hyperband_told_bit_by_bit_is_hyperband_told_at_once() -> None:
    """Its notes are kept with the trials, and say the same as a study that lived all the while."""
    values = [[(7 * n + 3 * epoch) % 11 / 11 for epoch in range(1, 28)] for n in range(12)]
    direct = optuna.create_study(
        study_name="s",
        direction="maximize",
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.HyperbandPruner(max_resource=27),
    )
    asked = [direct.ask() for _ in values]
    pruned: dict[int, int] = {}
    search = Search("s", plan({RATE: [0.1]}, pruner=HYPERBAND), epochs=27)
    known = {n: Known() for n in range(len(values))}
    for epoch in range(1, 27):
        for n, trial in enumerate(asked):
            if n not in pruned:
                trial.report(values[n][epoch - 1], epoch)
                if trial.should_prune():
                    direct.tell(trial, state=optuna.trial.TrialState.PRUNED)
                    pruned[n] = epoch
        known |= search.prune(
            [
                Trial(
                    [0.1],
                    "pruned" if known[n].pruned else "running",
                    None,
                    values[n][:epoch],
                    known[n],
                )
                for n in known
            ]
        )
    assert {n: each.epoch for n, each in known.items() if each.pruned} == pruned
    assert 0 < len(pruned) < len(values)


def test_a_range_may_be_whole_or_not() -> None:
    search = Search("s", plan({"/a": {"low": 1, "high": 10, "step": 4}}), epochs=1)
    seen = {search.propose([ended([1], 0.0)] * n)[0] for n in range(20)}
    assert seen == {1, 5, 9}
    assert Range(low=1, high=2.0).whole is False


class Whole(Search):
    """Shows Optuna all that was told, as a study that lived all the while would have it."""

    @override
    def _shown(self, trial: Trial, epochs: Set[int]) -> dict[int, float]:
        told = trial.known.epoch if trial.state == "running" else len(trial.curve)
        return dict(enumerate(trial.curve[:told], 1))


@st.composite
def trials(draw: st.DrawFn) -> list[Trial]:
    state: Any
    values = st.floats(0, 1) | st.sampled_from([math.nan, math.inf, -math.inf])
    states = st.sampled_from(["running", "complete", "complete", "pruned", "pruned", "fail"])
    found = []
    for state in ["running", *draw(st.lists(states, max_size=3) | st.lists(states, min_size=15))]:
        reached = draw(st.lists(values, min_size=5, max_size=9) | st.just([]))
        value = 0.5 if state == "complete" else None
        known = Known(draw(st.integers(0, len(reached))), pruned=state == "pruned")
        found.append(Trial([0.1], state, value, tuple(reached), known))
    return found


@given(
    trials=trials(),
    pruner=st.fixed_dictionaries(
        {"type": st.just("MedianPruner"), "n_startup_trials": st.integers(0, 2)},
        optional={
            "n_warmup_steps": st.integers(0, 4),
            "interval_steps": st.integers(1, 3),
            "n_min_trials": st.integers(1, 3),
        },
    )
    | st.just({**HYPERBAND, "reduction_factor": 2}),
    goal=st.sampled_from(["min", "max"]),
)
@hypothesis_settings(max_examples=300)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, of the pruner's own sums
def test_what_is_not_shown_would_change_no_answer(
    trials: list[Trial], pruner: dict[str, Any], goal: str
) -> None:
    objective = {"metric": "val_loss", "goal": goal}
    asked = plan({RATE: [0.1, 0.2, 0.3]}, pruner=pruner, objective=objective)
    search, whole = Search("s", asked, epochs=9), Whole("s", asked, epochs=9)
    assert search.prune(trials) == whole.prune(trials)
    assert search.propose(trials) == whole.propose(trials)
