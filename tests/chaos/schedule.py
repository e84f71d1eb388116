"""What goes wrong, and when: drawn from a seed, so that it can be had again."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Fault:
    """`at` is a share of the load, `lasts` in seconds, `pick` says which victim: 0 the first, 1 the
    last of those that are there."""

    kind: str
    at: float
    lasts: float
    pick: float

    def of(self, victims: Sequence[T]) -> T:
        """The picked one."""
        return victims[int(self.pick * len(victims))]


def schedule(
    seed: str, kinds: Sequence[str], count: int, *, lasts: tuple[float, float] = (0.0, 0.0)
) -> list[Fault]:
    """`count` faults of `kinds`, each kind as often as the others, spread over the load."""
    chance = random.Random(seed)
    drawn = [kinds[number % len(kinds)] for number in range(count)]
    chance.shuffle(drawn)
    return [
        Fault(kind, (number + chance.random()) / count, chance.uniform(*lasts), chance.random())
        for number, kind in enumerate(drawn)
    ]
