"""Thinned curves: few points, and every extreme of the whole."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.results.thinning import thinned
from contract.store.numbers import Number

NUMBERS: st.SearchStrategy[Number] = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["NaN", "Infinity", "-Infinity", None]),
)


@st.composite
def curves(draw: st.DrawFn) -> dict[str, list[Number]]:
    length = draw(st.integers(0, 300))
    names = draw(st.lists(st.sampled_from("abcd"), unique=True, min_size=1))
    columns: dict[str, list[Number]] = {"epoch": list(range(1, length + 1))}
    for name in names:
        columns[name] = draw(st.lists(NUMBERS, min_size=length, max_size=length))
    return columns


def known(column: list[Number]) -> list[float]:
    values = [float(value) for value in column if value is not None]
    return [value for value in values if not math.isnan(value)]


@given(columns=curves(), points=st.integers(15, 320))
def test_extremes_ends_and_the_first_nan_stay(
    columns: dict[str, list[Number]], points: int
) -> None:
    found = thinned(columns, points)
    length = len(columns["epoch"])
    rows = [int(epoch or 0) - 1 for epoch in found["epoch"]]
    assert rows == sorted(set(rows))
    assert len(rows) <= points
    if length <= points:
        assert found == columns
    else:
        assert {rows[0], rows[-1]} == {0, length - 1}
    for name, column in columns.items():
        assert found[name] == [column[row] for row in rows]
        if known(column):
            assert min(known(found[name])) == min(known(column))
            assert max(known(found[name])) == max(known(column))
        if "NaN" in column:
            assert column.index("NaN") in rows


@pytest.mark.parametrize("at", [0, 12_345, 99_999])
def test_a_spike_of_one_epoch_in_a_hundred_thousand_is_seen(at: int) -> None:
    loss: list[Number] = [1 / (1 + row) for row in range(100_000)]
    loss[at] = 50.0
    columns: dict[str, list[Number]] = {"epoch": list(range(1, 100_001)), "loss": loss}
    found = thinned(columns, 1000)
    assert len(found["epoch"]) <= 1000
    assert found["epoch"][found["loss"].index(50.0)] == at + 1
    # Wherever one looks, there is a point near.
    gaps = zip(found["epoch"], found["epoch"][1:], strict=False)
    assert max(int(b or 0) - int(a or 0) for a, b in gaps) <= 2 * 100_000 / (997 // 2)
