"""Cells of a sweep: what their runs are called, and what these came to."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.sweeps.cells import Spread, best, replicas
from tests import jobs

NUMBERS = st.floats(-1e6, 1e6)
RATE = "/training/optimizer/learning_rate"


@given(st.lists(NUMBERS, max_size=8))
def test_a_spread_is_that_of_the_sample(values: list[float]) -> None:
    told = Spread.of(values)
    assert told.count == len(values)
    assert (told.mean, told.min, told.max) == (
        (None, None, None)
        if not values
        else (pytest.approx(statistics.fmean(values)), min(values), max(values))
    )
    assert told.spread == (
        None if len(values) < 2 else pytest.approx(statistics.stdev(values), abs=1e-6)
    )


@given(st.lists(NUMBERS, max_size=4), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_one_value_that_is_no_number_leaves_no_mean(values: list[float], bad: float) -> None:
    told = Spread.of([*values, bad])
    assert told.mean is not None
    assert math.isnan(told.mean)
    assert told.spread is None if not values else math.isnan(told.spread or 0)
    assert (told.min, told.max) == (min(values, default=None), max(values, default=None))


@given(st.lists(st.lists(NUMBERS | st.just(math.nan), max_size=3), max_size=6), st.booleans())
def test_the_best_cell_has_the_best_mean(cells: list[list[float]], maximized: bool) -> None:
    spreads = [Spread.of(values) for values in cells]
    means = [s.mean for s in spreads if s.mean is not None and not math.isnan(s.mean)]
    first = best(spreads, maximized=maximized)
    if first is None:
        assert means == []
    else:
        assert spreads[first].mean == (max if maximized else min)(means)


def test_replicas_differ_by_seed_and_name_alone() -> None:
    experiment = jobs.experiment()
    runs = list(replicas(experiment, {RATE: (0.1,)}, [0.1], 3))
    assert [run.training.seed for run in runs] == [0, 1, 2]
    assert [run.name for run in runs] == [f"small: learning_rate=0.1, run {n}" for n in (1, 2, 3)]
    [alone] = replicas(experiment, {RATE: (0.1,)}, [0.1], 1)
    assert alone.name == "small: learning_rate=0.1"
    for run in runs:
        same = run.model_dump() | {"name": "small"}
        same["training"]["seed"] = 0
        assert same == experiment.model_dump()


def test_names_and_seeds_stay_within_their_bounds() -> None:
    base = jobs.experiment().model_dump()
    base["training"]["seed"] = 2**31 - 1
    experiment = jobs.experiment(**base | {"name": "x" * 99})
    runs = list(replicas(experiment, {RATE: (0.1,)}, [0.1], 2))
    assert [run.training.seed for run in runs] == [2**31 - 1, 0]
    assert {len(run.name) for run in runs} == {100}
