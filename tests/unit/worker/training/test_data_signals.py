"""What the data alone says of itself, on data whose numbers are known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from contract.experiment.datasets import facts_of
from worker.training.data.prepare import IDENTITY, Part, Prepared
from worker.training.signals.activations import Station, stations
from worker.training.signals.data import data_signals

IRIS = facts_of("iris")


def prepared(x: Any, y: Any, x_test: Any = None, y_test: Any = None) -> Prepared:
    train = Part(np.asarray(x, np.float32), np.asarray(y))
    test = train if x_test is None else Part(np.asarray(x_test, np.float32), np.asarray(y_test))
    return Prepared(train, None, test, IDENTITY, IDENTITY)


def test_inputs() -> None:
    x = [[0, 10, 5], [2, -10, 5], [0, 10, 5], [2, -10, 5]]
    found = data_signals(prepared(x, [0, 1, 0, 1]), IRIS, np.array([0, 2, 1, 3]))
    assert found.input_mean_square == pytest.approx((2 + 100 + 25) / 3)
    assert (found.input_min, found.input_max) == (-10, 10)
    assert found.column_spread == pytest.approx(10)
    assert found.constant_columns == pytest.approx(1 / 3)
    assert found.class_counts == [2, 2, 0]
    assert found.label_runs == pytest.approx(2 / 3)
    assert found.linear_baseline == 1
    assert found.test_shift == 0
    assert found.target_mean is None


def test_labels_that_follow_from_the_inputs_and_labels_that_do_not() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(1500, 6))
    order = np.arange(1500)
    clear = (x[:, 0] > 0).astype(int)
    blind = generator.integers(2, size=1500)
    found, lost = (data_signals(prepared(x, y), IRIS, order) for y in (clear, blind))
    assert found.linear_baseline is not None
    assert lost.linear_baseline is not None
    assert found.linear_baseline > 0.95
    assert lost.linear_baseline < 0.6
    assert found.neighbour_agreement is not None
    assert lost.neighbour_agreement is not None
    assert found.neighbour_agreement > 0.75 > 0.6 > lost.neighbour_agreement


def test_a_test_part_from_elsewhere() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(400, 3)), np.zeros(400, int)
    found = data_signals(prepared(x, y, x + np.array([0, 0, 5]), y), IRIS, np.arange(400))
    assert found.test_shift == pytest.approx(5 / np.hypot(1, 2.5), rel=0.1)


def test_regression_with_more_columns_than_rows() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(300, 4))
    y = 1000 + 50 * x[:, 0]
    wide = np.hstack([x, np.zeros((300, 400)), generator.normal(size=(300, 400))])
    facts = facts_of("diabetes")
    narrow = data_signals(prepared(x, y), facts, np.arange(300))
    assert narrow.target_mean == pytest.approx(y.mean())
    assert narrow.target_mean_square == pytest.approx(np.square(y).mean())
    assert (narrow.target_min, narrow.target_max) == pytest.approx((y.min(), y.max()))
    assert narrow.linear_baseline == pytest.approx(1, abs=0.001)
    assert narrow.neighbour_agreement is None
    assert data_signals(prepared(wide, y), facts, np.arange(300)).linear_baseline is not None


def test_a_curve_that_no_line_follows_and_targets_that_nothing_explains() -> None:
    generator = np.random.default_rng(0)
    x, rows, facts = generator.normal(size=(800, 2)), np.arange(800), facts_of("diabetes")
    bent, blind = x[:, 0] ** 2, generator.normal(size=800)
    halves = [
        data_signals(prepared(x[:600], y[:600], x[600:], y[600:]), facts, rows[:600])
        for y in (bent, blind, np.stack([bent, bent], axis=1))
    ]
    linear, curved = zip(*((h.linear_baseline, h.curved_baseline) for h in halves), strict=True)
    assert linear[0] < 0.1 < 0.9 < curved[0]
    assert max(linear[1], curved[1]) < 0.1
    assert curved[2] == pytest.approx(curved[0])


def test_several_labels_at_once() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(300, 4))
    facts = replace(IRIS, task="multi_label", classes=None, targets=4)
    found = data_signals(prepared(x, (x > 0).astype(np.int32)), facts, np.arange(300))
    assert found.linear_baseline is not None
    assert found.linear_baseline > 0.9
    assert len(found.class_counts) == 4
    assert found.label_runs is None


def test_inputs_that_never_change_are_no_fault() -> None:
    found = data_signals(prepared(np.ones((9, 2)), [0, 1, 2] * 3), IRIS, np.arange(9))
    assert (found.column_spread, found.constant_columns, found.test_shift) == (None, 1, None)
    assert found.linear_baseline == pytest.approx(1 / 3)


def test_an_activation_is_found_behind_what_keeps_the_units() -> None:
    from tests.jobs import experiment

    model = [
        {"type": "Dense", "units": 4},
        {"type": "BatchNormalization"},
        {"type": "Dropout", "rate": 0.1},
        {"type": "Activation", "activation": "relu"},
        {"type": "Dense", "units": 4},
        {"type": "Flatten"},
        {"type": "Activation", "activation": "tanh"},
        {"type": "Dense", "units": 4, "activation": "elu"},
        {"type": "Activation", "activation": "relu"},
        {"type": "Dense", "units": 4},
        {"type": "LayerNormalization"},
        {"type": "LeakyReLU"},
    ]
    assert stations(experiment(model={"layers": model}).model.graph) == [
        Station(0, 3, "relu"),
        Station(4, 4, "linear"),
        Station(7, 7, "elu"),
        Station(9, 11, "leaky_relu"),
    ]
