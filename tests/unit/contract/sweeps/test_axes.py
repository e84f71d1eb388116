"""Axes: where values go, which cells there are, and what is drawn of ranges."""

import math
from itertools import islice
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contract.errors import SpecRefused
from contract.sweeps.axes import Range, drawn, grid, key, placed, size

VALUES = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)
KEYS = st.text(alphabet="ab/~01", min_size=1, max_size=3)
DOCUMENTS = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)
LISTS = st.lists(VALUES, min_size=1, max_size=4, unique_by=key).map(tuple)
EDGES = st.integers(-1000, 1000)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    """Whole and real ones, with log, with steps, with neither."""
    whole, log = draw(st.booleans()), draw(st.booleans())
    low, width = draw(EDGES), draw(st.integers(0, 1000))
    low = abs(low) + 1 if log else low
    step = draw(st.none() | st.integers(1, 300))
    if whole:
        return Range(low=low, high=low + width, log=log, step=None if log else step)
    scaled = None if log or step is None else step / 8
    return Range(low=low / 8, high=(low + width) / 8, log=log, step=scaled)


AXES = st.dictionaries(
    st.sampled_from(["/a", "/b/c", "/b/d", "/e/0"]), LISTS | ranges(), min_size=1
)


def escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def paths(document: Any) -> list[list[str]]:
    """Of everything within."""
    entries = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    found = [[str(name), *rest] for name, inner in entries for rest in [[], *paths(inner)]]
    return [path for path in found if all(path)]


def at(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[int(part) if isinstance(document, list) else part]
    return document


@given(document=DOCUMENTS, value=VALUES, data=st.data())
def test_a_value_goes_where_its_axis_points_and_nowhere_else(
    document: Any, value: Any, data: st.DataObject
) -> None:
    known = paths(document)
    assume(known)
    path = data.draw(st.sampled_from(known))
    pointer = "".join(f"/{escaped(part)}" for part in path)
    before = key(document)
    new = placed(document, {pointer: (value,)}, [value])
    assert key(at(new, path)) == key(value)
    assert key(document) == before
    assert key(placed(new, {pointer: (0,)}, [at(document, path)])) == before


def test_objects_on_the_way_are_made() -> None:
    assert placed({"a": None}, {"/a/b": (1,), "/c/d": (2,)}, [1, 2]) == {
        "a": {"b": 1}, "c": {"d": 2},
    }  # fmt: skip


@pytest.mark.parametrize("pointer", ["/a/2", "/a/-", "/a/01", "/a/x", "/b/c", "/a/0/d"])
def test_what_leads_nowhere_is_named(pointer: str) -> None:
    with pytest.raises(SpecRefused, match="leads nowhere") as refused:
        placed({"a": [1, 2], "b": "text"}, {pointer: (0,)}, [0])
    assert refused.value.pointer == f"/axes/{escaped(pointer)}"


@given(AXES)
def test_a_grid_has_each_cell_once(axes: dict[str, Any]) -> None:
    lists = {at: axis for at, axis in axes.items() if isinstance(axis, tuple)}
    assume(lists)
    cells = grid(lists)
    assert len({key(cell) for cell in cells}) == len(cells) == size(lists)
    for cell in cells:
        assert all(value in axis for value, axis in zip(cell, lists.values(), strict=True))


@given(axes=AXES, seed=st.integers(0, 2**31 - 1), count=st.integers(0, 20))
def test_what_is_drawn_lies_on_the_axes_and_never_twice(
    axes: dict[str, Any], seed: int, count: int
) -> None:
    cells = list(islice(drawn(axes, seed), count))
    assert len(cells) == min(count, size(axes))
    assert len({key(cell) for cell in cells}) == len(cells)
    assert [key(cell) for cell in cells] == [key(c) for c in islice(drawn(axes, seed), count)]
    for cell in cells:
        for value, axis in zip(cell, axes.values(), strict=True):
            assert lies_on(value, axis)


def lies_on(value: Any, axis: Any) -> bool:
    if not isinstance(axis, Range):
        return key(value) in {key(each) for each in axis}
    if axis.whole != isinstance(value, int) or not axis.low <= value <= axis.high:
        return False
    return axis.step is None or math.isclose(
        (value - axis.low) / axis.step, round((value - axis.low) / axis.step), abs_tol=1e-6
    )


@given(axes=AXES, seed=st.integers(0, 9))
def test_known_cells_are_not_drawn(axes: dict[str, Any], seed: int) -> None:
    known = list(islice(drawn(axes, seed), 3))
    others = list(islice(drawn(axes, seed, known), 3))
    assert not {key(cell) for cell in known} & {key(cell) for cell in others}
    assert len(others) == min(3, size(axes) - len(known))


def test_log_draws_each_order_of_magnitude_as_often() -> None:
    axis = Range(low=1e-4, high=1.0, log=True)
    values = [cell[0] for cell in islice(drawn({"/a": axis}, 0), 4000)]
    for low in (1e-4, 1e-3, 1e-2, 1e-1):
        assert 850 < sum(low <= value < 10 * low for value in values) < 1150


def test_the_last_step_is_told_even_where_it_is_no_whole_number_of_them() -> None:
    assert Range(low=0.0, high=0.3, step=0.1).size == 4
    assert Range(low=1, high=10, step=4).last == 9
    assert Range(low=1, high=10).last == 10
    assert Range(low=0.5, high=1).size == math.inf
