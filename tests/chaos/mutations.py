"""Services that are broken on purpose, to show that the checker says so."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.sites import ROOT


@dataclass(frozen=True)
class Mutation:
    """`promise` must be seen broken under `count` faults; `tests.chaos.breakage` has the `name`.

    The test suite tries the `quick` ones.
    """

    name: str
    promise: str
    count: int
    quick: bool = False

    @property
    def environment(self) -> Mapping[str, str]:
        """What breaks each Python process that is started with it."""
        path = os.pathsep.join([str(Path(__file__).parent / "mutated"), str(ROOT)])
        return {"PYTHONPATH": path, "CHAOS_MUTATION": self.name}


MUTATIONS = (
    Mutation("answer before the commit", "durable", 10),
    Mutation("no fence", "stalled", 8, quick=True),
    Mutation("no lease", "killed", 8),
    Mutation("no sweeper", "redis", 5),
    Mutation("plain writes", "killed", 20),
    Mutation("no hash", "disk", 8, quick=True),
    Mutation("no step back", "disk", 8),
    Mutation("crashes are not counted", "poison", 1),
    Mutation("a cancel is forgotten", "cancel", 40),
    Mutation("SIGTERM kills", "deploys", 4),
    Mutation("a full disk is an error like others", "full_disk", 1),
)
