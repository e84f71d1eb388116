"""An npz of x and y, or of x_train, y_train, x_test and y_test; with w or w_train where examples
have weights."""

from pathlib import Path

from api.datasets.reading import inputs, targets, weights
from api.datasets.reading.archive import Archive
from api.datasets.reading.npy import StoredArray, stored_array
from api.datasets.reading.options import Limits, Wanted, listed
from api.datasets.reading.source import Source
from api.datasets.reading.workspace import Workspace
from contract.errors import DatasetRefused


def read_npz(source: Path, wanted: Wanted, limits: Limits, workspace: Workspace) -> Source:
    """All headers are checked before the data of any array is inflated; labels come first."""
    if wanted.label:
        raise DatasetRefused(
            f"label= names columns of a csv; received {listed(wanted.label)} with an npz, whose "
            "labels are y: leave label out"
        )
    archive = Archive(source, limits, workspace)
    arrays = {name: stored_array(name, archive, limits, workspace) for name in archive.names}
    x = [array for name, array in arrays.items() if name.startswith("x")]
    y = [array for name, array in arrays.items() if name.startswith("y")]
    w = [array for name, array in arrays.items() if name.startswith("w")]
    for these, those in [*zip(x, y, strict=True), *zip(x, w, strict=False)]:
        _check_sizes(these, those)
    found = inputs.of_arrays(x)
    train = x[0].shape[0] if len(x) > 1 else None
    labels = targets.of_arrays(y, wanted.task, workspace)
    return Source(found, labels, train, weights.of_array(w[0], workspace) if w else None)


def _check_sizes(x: StoredArray, other: StoredArray) -> None:
    if x.shape[0] != other.shape[0]:
        raise DatasetRefused(
            f"{x.name} and {other.name} must have as many examples; received {x.shape[0]:,} and "
            f"{other.shape[0]:,}"
        )
