"""If-None-Match, as RFC 9110 has it."""

import pytest

from api.http.etags import named, tag_of

TAG = tag_of("a", 1)


@pytest.mark.parametrize(
    "sent",
    [
        [TAG],
        [f"W/{TAG}"],
        [f'"x", {TAG}'],
        [f'W/"x",{TAG} , "y"'],
        ['"x"', TAG],
        [f'"with, a comma", {TAG}'],
        [f', ,"", {TAG}'],
        ["*"],
        [" * "],
    ],
)
def test_what_names_the_tag(sent: list[str]) -> None:
    assert named(TAG, sent)


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [""],
        ['"x"'],
        [TAG.strip('"')],
        [TAG.upper()],
        [TAG[:-1]],
        [f'"x{TAG[1:]}'],
        ['"*"'],
        ['"x", *'],
    ],
)
def test_what_does_not(sent: list[str]) -> None:
    assert not named(TAG, sent)


def test_a_tag_is_one_of_rfc_9110_and_tells_what_it_is_of_apart() -> None:
    assert TAG[0] == TAG[-1] == '"'
    assert TAG[1:-1].isalnum()
    assert len({tag_of("a", 1), tag_of("a", 2), tag_of("a", "1"), tag_of("a1"), TAG}) == 4
