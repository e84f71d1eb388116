"""One promise, put to the test: on a service that is whole, or broken on purpose."""

from collections.abc import Mapping
from pathlib import Path

from tests import services
from tests.chaos.catalogue import PROMISES
from tests.chaos.mutations import Mutation
from tests.chaos.outcome import Outcome
from tests.chaos.stage import stage
from tests.sites import QUICK

PATIENCE_SECONDS = 600.0
# How long to wait for what a broken service will never do.
BROKEN_PATIENCE_SECONDS = 90.0


def keep(
    name: str,
    count: int,
    seed: int,
    folder: Path,
    postgres: services.Server,
    mutation: Mutation | None = None,
    timings: Mapping[str, str] = QUICK,
) -> Outcome:
    """What became of a promise under `count` faults; a wait that was in vain breaks it too."""
    promise = PROMISES[name]
    patience = PATIENCE_SECONDS if mutation is None else BROKEN_PATIENCE_SECONDS
    environment = {} if mutation is None else mutation.environment
    with stage(
        promise.on,
        f"{seed} {name}",
        folder,
        postgres,
        patience=patience,
        environment={**timings, **environment},
    ) as here:
        try:
            return promise.run(here, count)
        except AssertionError as error:
            return Outcome(count, wrong=[str(error)])
