"""One TensorFlow for all tests of this folder: its threads can be set only before its first use."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def tensorflow() -> None:
    from worker.training.runtime import configure

    configure(threads=1)
