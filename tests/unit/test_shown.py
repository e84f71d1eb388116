"""What is taken for the same as a session of a page, and what is not."""

import pytest

from tests.shown import Ids, Step, compare, sessions

JOB = "job_01M843EV5QKTKKYXZ8CHTAMFR2"
OTHER = "job_01M85W7RVDNA5W1XYQFGW2M4X9"


def same(shown: str, real: str) -> bool:
    try:
        compare(shown, real, Ids())
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ('{"a":1,"b":"x"}', '{"a": 7, "b": "x"}'),
        ('{...,"b":null,...}', '{"a": 1, "b": null, "c": 2}'),
        ('{"a":[1,...],...}', '{"a": [5, 6, 7], "b": []}'),
        (f'{{"id":"{JOB}"}}', f'{{"id": "{OTHER}"}}'),
        ('{"a":"53.3 % in epoch 15"}', '{"a": "9 % in epoch 2"}'),
        ("x,1.5\n...", "x,2e-05\ny"),
    ],
)
def test_what_varies_is_compared_by_kind(shown: str, real: str) -> None:
    assert same(shown, real)


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ('{"a":1,"b":2}', '{"b": 2, "a": 1}'),
        ('{"a":1}', '{"a": 1, "b": 2}'),
        ('{"a":1,"c":2}', '{"a": 1, "b": 2, "c": 3}'),
        ('{"a":1}', '{"a": 1.5}'),
        ('{"a":1}', '{"a": null}'),
        ('{"a":true}', '{"a": 1}'),
        ('{"a":"x"}', '{"a": "y"}'),
        ('{"a":[1,2]}', '{"a": [1]}'),
        ('{"a":[1,2]}', '{"a": [1, 2, 3]}'),
        (f'{{"a":"{JOB}","b":"{JOB}"}}', f'{{"a": "{JOB}", "b": "{OTHER}"}}'),
        ("x,1.5", "y,1.5"),
    ],
)
def test_all_else_must_be_the_same(shown: str, real: str) -> None:
    assert not same(shown, real)


def test_a_block_is_its_commands() -> None:
    text = "a\n```console\n$ one \\\n '1\n2'\n{...}\n\n$ two\n```\n```json\n{}\n```\n"
    assert sessions(text) == [[Step("one \\\n '1\n2'", "{...}"), Step("two", "")]]
