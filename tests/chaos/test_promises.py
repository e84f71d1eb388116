"""The promises under a few faults each; `make chaos` has the full counts."""

from pathlib import Path

import pytest

from tests import services
from tests.chaos.bench import keep
from tests.chaos.catalogue import PROMISES
from tests.chaos.mutations import MUTATIONS, Mutation


@pytest.mark.parametrize("name", [name for name, promise in PROMISES.items() if promise.short])
def test_a_promise_is_kept(name: str, tmp_path: Path, postgres_server: services.Server) -> None:
    outcome = keep(name, PROMISES[name].short, 0, tmp_path, postgres_server)
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert outcome.holds, outcome


@pytest.mark.parametrize(
    "mutation",
    [
        pytest.param(each, id=each.name, marks=[] if each.quick else pytest.mark.slow)
        for each in MUTATIONS
    ],
)
def test_a_broken_service_is_noticed(
    mutation: Mutation, tmp_path: Path, postgres_server: services.Server
) -> None:
    outcome = keep(mutation.promise, mutation.count, 0, tmp_path, postgres_server, mutation)
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert mutation.noticed(outcome), outcome
