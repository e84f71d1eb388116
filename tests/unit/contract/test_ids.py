"""Ids of one kind: made, recognised whole, and in the order of their making."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from contract import ids
from contract.experiment.datasets import UploadId

KINDS = [ids.JOB, ids.SWEEP, ids.DATASET, ids.KEY, ids.WORKER, ids.REQUEST]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.prefix)
def test_what_is_made_fits(kind: ids.Kind) -> None:
    made = kind.new()
    assert kind.fits(made)
    assert re.search(kind.pattern, made)
    assert [other for other in KINDS if other.fits(made)] == [kind]
    assert timedelta(0) <= datetime.now(UTC) - ids.made_at(made) < timedelta(minutes=1)


@pytest.mark.parametrize("ending", ["\n", " ", "0", "\x00"])
def test_nothing_may_follow(ending: str) -> None:
    made = ids.DATASET.new()
    assert not ids.DATASET.fits(made + ending)
    with pytest.raises(ValidationError):
        TypeAdapter(UploadId).validate_python(made + ending)


@pytest.mark.parametrize("letter", "ILOUilou-_")
def test_letters_that_no_ulid_has(letter: str) -> None:
    assert not ids.JOB.fits(f"job_{letter * 26}")
