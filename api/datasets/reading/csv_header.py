"""The header of a table: which columns are features, and which are labels."""

from dataclasses import dataclass

from api.datasets.reading.csv_pieces import cells
from api.datasets.reading.labels import check_name
from api.datasets.reading.options import MAX_OUTPUTS, Limits, listed, shown
from contract.errors import DatasetRefused


@dataclass(frozen=True)
class Header:
    """`targets` are the places of the label columns; the others are `features`."""

    columns: tuple[str, ...]
    targets: tuple[int, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the label columns, in the order of `targets`."""
        return tuple(self.columns[target] for target in self.targets)

    @property
    def features(self) -> tuple[str, ...]:
        """The names of all other columns, in the order of the table."""
        targets = set(self.targets)
        return tuple(name for place, name in enumerate(self.columns) if place not in targets)


def read_header(line: str, label: tuple[str, ...], limits: Limits) -> Header:
    """The first line of a csv, of which `label` names the target columns."""
    if line.count(",") >= limits.max_columns:
        raise DatasetRefused(
            f"expected at most {limits.max_columns:,} columns (PLATEAU_MAX_COLUMNS); received "
            f"{line.count(',') + 1:,}: leave some out, or send arrays as an npz"
        )
    (row,) = cells(1, [line], limits.max_columns)
    columns = [name.strip() for name in row]
    seen: set[str] = set()
    for name in columns:
        check_name("the header", name)
        if name in seen:
            raise DatasetRefused(
                f"the header has {shown(name)} twice; expected a name of its own for each column"
            )
        seen.add(name)
    return Header(tuple(columns), _targets(columns, label))


def _targets(columns: list[str], label: tuple[str, ...]) -> tuple[int, ...]:
    """The places of the label columns, in the order of the file."""
    places = {name: place for place, name in enumerate(columns)}
    missing = [name for name in label if name not in places]
    if not label or missing:
        semicolons = "" if len(columns) > 1 else " (are there commas between the cells?)"
        raise DatasetRefused(
            f"label= must name the target column; expected one of {listed(columns)}{semicolons}, "
            f"received {listed(missing) or 'none'}"
        )
    targets = sorted({places[name] for name in label})
    if len(targets) < len(label) or len(targets) > MAX_OUTPUTS or len(targets) == len(columns):
        raise DatasetRefused(
            f"label= must name each target column once, {MAX_OUTPUTS:,} at most, and leave some as "
            f"features; received {len(label):,} names of {len(columns):,} columns"
        )
    return tuple(targets)
