"""Numbers that JSON lacks survive it, bit for bit."""

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.store.numbers import decode, encode

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def bits(number: float) -> bytes:
    return struct.pack("<d", math.nan if math.isnan(number) else number)


@given(st.floats())
def test_a_float_comes_back_as_it_was(number: float) -> None:
    through_json = json.loads(json.dumps(encode(number), allow_nan=False))
    found = decode(through_json)
    assert found is not None
    assert bits(found) == bits(number)


@pytest.mark.parametrize(
    ("number", "word"),
    [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (-0.0, -0.0), (1, 1)],
)
def test_words(number: float, word: object) -> None:
    assert encode(number) == word


def test_none_stays_none() -> None:
    assert encode(None) is None
    assert decode(None) is None


@given(DOCUMENTS)
def test_any_document_becomes_json(document: Any) -> None:
    json.dumps(encode(document), allow_nan=False)


@given(DOCUMENTS)
def test_twice_is_once(document: Any) -> None:
    assert encode(encode(document)) == encode(document)


def test_goes_as_deep_as_the_document() -> None:
    curve = {"loss": [1.0, math.nan], "rest": ({"deep": math.inf},)}
    assert encode(curve) == {"loss": [1.0, "NaN"], "rest": [{"deep": "Infinity"}]}


def test_leaves_the_document_that_it_was_given_alone() -> None:
    curve = {"loss": [math.inf]}
    encode(curve)
    assert curve == {"loss": [math.inf]}
