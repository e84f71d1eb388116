"""The page that `make answer` writes, as far as it can be checked without training."""

import re
from collections import Counter

import pytest

from contract.experiment.datasets import facts_of
from contract.experiment.spec import Experiment
from contract.settings import Settings
from contract.sizing.limits import check
from scripts.answer import PAGE, experiments, with_tables
from scripts.answer_tables import FOUR, RATES

MARK = re.compile("<!-- (.*) -->")


@pytest.mark.parametrize("dataset", ["mnist", "digits"])
def test_what_is_posted_can_be_trained(dataset: str) -> None:
    for name, spec in experiments().items():
        spec["dataset"]["name"] = dataset
        experiment = Experiment.model_validate(spec)
        assert experiment.name == name
        check(experiment, facts_of(dataset), Settings())


def test_each_learning_rate_is_tried_with_each_of_the_four() -> None:
    names = experiments().keys()
    assert {f"{name}-lr-{rate:g}" for name in FOUR for rate in RATES} <= names
    assert set(FOUR) <= names


def test_a_table_takes_the_place_of_the_one_before() -> None:
    page = PAGE.read_text()
    marks = Counter(MARK.findall(page))
    assert set(marks.values()) == {2}
    told = with_tables(page, dict.fromkeys(marks, "| told |"))
    assert told.count("| told |") == len(marks)
    assert "relu-raw`, dead" not in told
    assert with_tables(told, dict.fromkeys(marks, "| told |")) == told
