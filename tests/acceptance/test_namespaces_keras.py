"""All that Keras ships is a part of an experiment, or left out with a reason that is told."""

from operator import attrgetter

import keras
import pytest

from contract.experiment.base import in_lower_case
from contract.experiment.left_out import LEFT_OUT, SAME, known
from tests.pages import page, rows, section, spans

LEFT = section(page("docs/experiment.md"), "What Keras has and Plateau has not")


@pytest.mark.parametrize("module", LEFT_OUT)
def test_every_name_of_keras_is_there_or_left_out_with_a_reason(module: str) -> None:
    ours, left, same = known(module), LEFT_OUT[module], SAME.get(module, {})
    names = [name for name in dir(attrgetter(module)(keras)) if not name.startswith("_")]
    # Keras has functions, and names of functions, besides classes.
    functions = {in_lower_case(name) for name in (*ours, *left, *same)} | {"l1_l2"}
    unknown = [name for name in names if not {name, same.get(name)} & {*ours, *left}]
    assert [name for name in unknown if name not in functions] == []
    assert not ours & left.keys(), "what is there is not left out"
    assert left.keys() <= {*names}, "what Keras has no longer need not be told"
    assert all(reason for reason in left.values())


def test_the_page_has_what_is_left_out() -> None:
    """But for what is nothing to train with: bases, and functions that read and write."""
    told = {name: reason for names, reason in rows(LEFT) for name in spans(names)}
    expected = {
        name: reason
        for found in LEFT_OUT.values()
        for name, reason in found.items()
        if name not in ("serialize", "deserialize", "get", "legacy", "schedules")
        and "a base for classes" not in reason
    }
    assert told == expected
