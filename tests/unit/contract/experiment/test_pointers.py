"""JSON pointers: text and steps are the same place, and values are put where they lead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.experiment import pointers

STEPS = st.lists(st.text(alphabet="ab/~01 ", max_size=3), max_size=4)


@given(STEPS)
def test_steps_come_back(steps: list[str]) -> None:
    assert pointers.split(pointers.join(steps)) == steps


@pytest.mark.parametrize(
    ("pointer", "path"),
    [
        ("", ()),
        ("/", ("",)),
        ("/a~1b/~01", ("a/b", "~1")),
        ("/layers/0/10", ("layers", 0, 10)),
        ("/00/-1/1.0/\u0663", ("00", "-1", "1.0", "\u0663")),
    ],
)
def test_a_step_that_can_be_a_place_in_a_list_is_a_number(
    pointer: str, path: pointers.Path
) -> None:
    assert pointers.path_of(pointer) == path
    assert pointers.join(path) == pointer


@pytest.mark.parametrize(
    ("path", "depth"),
    [((), 0), (("a", 1, "b"), 3), (("a", 2), 1), (("a", "1"), 1), (("x",), 0), (("n", "y"), 1)],
)
def test_how_far_a_path_leads(path: pointers.Path, depth: int) -> None:
    assert pointers.depth({"a": [0, {"b": None}], "n": None}, path) == depth


def test_a_value_is_put_into_a_copy() -> None:
    document = {"a": [1, {"b": 2}]}
    assert pointers.put(document, ["a", "1", "c", "d"], 3) == {"a": [1, {"b": 2, "c": {"d": 3}}]}
    assert document == {"a": [1, {"b": 2}]}
    for steps, reason in (
        (["a", "2"], "a list of 2 has no 2"),
        (["a", "\u0661"], "a list of 2 has no \u0661"),
        (["a", "0", "b"], "there is 1, which has no b"),
    ):
        with pytest.raises(LookupError, match=reason):
            pointers.put(document, steps, 0)
