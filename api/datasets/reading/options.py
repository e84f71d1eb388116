"""What the sender of a dataset says of it, and how large it may be."""

from dataclasses import dataclass
from typing import Self

from contract.experiment.datasets import TEST_SHARE, Task
from contract.settings import Settings

# More classes, labels or targets than this are more often a quantity taken for a class.
MAX_OUTPUTS = 1_000
# An example lies in memory as a whole, several times: this is 316 x 316 x 3.
MAX_VALUES = 300_000
MAX_DIMENSIONS = 4
# Characters of a class's or a column's name.
MAX_NAME = 100


@dataclass(frozen=True)
class Wanted:
    """`label` names the target column or columns of a csv. `task` None is: see for yourself.

    `test_fraction`, between 0 and 1, is held out for testing where the file has no test part.
    """

    label: tuple[str, ...] = ()
    task: Task | None = None
    test_fraction: float = TEST_SHARE


@dataclass(frozen=True)
class Limits:
    """`max_dataset_bytes` bounds what an archive unpacks to, and the file that is kept of it."""

    max_dataset_bytes: int
    max_columns: int
    max_examples: int = 10_000_000

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of the settings."""
        return cls(settings.max_dataset_bytes, settings.max_columns)


def shown(received: object) -> str:
    """What was received, as an error may repeat it: escaped, and not the whole of it."""
    text = repr(received)
    return text if len(text) <= 80 else f"{text[:77]}..."


def listed(names: list[str] | tuple[str, ...]) -> str:
    """The first five of `names`, and how many more there are."""
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return ", ".join(shown(name) for name in names[:5]) + more
