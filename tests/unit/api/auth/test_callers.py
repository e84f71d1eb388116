"""Where keys are needed."""

from typing import Any

import pytest

from api.auth.caller import keys_needed
from contract.settings import Settings


@pytest.mark.parametrize(
    ("auth", "host", "needed"),
    [
        ("auto", "127.0.0.1", False),
        ("auto", "127.1.2.3", False),
        ("auto", "::1", False),
        ("auto", "localhost", False),
        ("auto", "LOCALHOST", False),
        ("auto", "0.0.0.0", True),
        ("auto", "::", True),
        ("auto", "10.0.0.1", True),
        ("auto", "128.0.0.1", True),
        ("auto", "127.0.0.1.example.org", True),
        ("auto", "localhost.example.org", True),
        ("open", "0.0.0.0", False),
        ("keys", "127.0.0.1", True),
    ],
)
def test_where_keys_are_needed(auth: Any, host: str, needed: bool) -> None:
    assert keys_needed(Settings(auth=auth, host=host)) is needed
