"""Services that are broken on purpose, to show that the checker says so."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.outcome import Outcome
from tests.sites import ROOT


@dataclass(frozen=True)
class Mutation:
    """`promise` must be seen broken under `count` faults; `tests.chaos.breakage` has the `name`.

    `sign` is a pattern of what the outcome must say: broken for another reason is not noticed.
    The test suite tries the `quick` ones.
    """

    name: str
    promise: str
    count: int
    sign: str
    quick: bool = False

    @property
    def environment(self) -> Mapping[str, str]:
        """What breaks each Python process that is started with it."""
        path = os.pathsep.join([str(Path(__file__).parent / "mutated"), str(ROOT)])
        return {"PYTHONPATH": path, "CHAOS_MUTATION": self.name}

    def noticed(self, outcome: Outcome) -> bool:
        return re.search(self.sign, repr(outcome)) is not None


MUTATIONS = (
    Mutation("answer before the commit", "durable", 10, "lost=[1-9]"),
    Mutation("no fence", "stalled", 8, "was written under claim", quick=True),
    Mutation("no lease", "killed", 8, r"waited .* for (\d+ of \d+ epochs|the disturbed runs)"),
    Mutation("no queue watch", "redis", 5, "waited .* for the jobs of a time with"),
    Mutation("plain writes", "killed", 20, "checkpoints were damaged, and not by us"),
    Mutation("no hash", "disk", 4, "damages were told of", quick=True),
    Mutation("no step back", "disk", 4, "it is failed, expected succeeded"),
    Mutation("crashes are not counted", "poison", 1, "waited .* for the jobs beside poison"),
    Mutation("a cancel is forgotten", "cancel", 60, "cancelling became succeeded"),
    Mutation("SIGTERM kills", "deploys", 4, "was ended by signal"),
    Mutation("no word of a full disk", "full_disk", 1, "POST was answered with 503"),
    Mutation("short writes", "whole", 40, "is not whole"),
    Mutation("nothing is cleared", "whole", 2, "waited 30 s for .* alone"),
)
