"""How much each example counts in the loss of training."""

import numpy as np

from api.datasets.reading.inputs import as_stored
from api.datasets.reading.npy import StoredArray
from api.datasets.reading.options import shown
from api.datasets.reading.workspace import Spool, Workspace
from contract.errors import DatasetRefused


def of_array(array: StoredArray, workspace: Workspace) -> Spool:
    """All of them in order, float32. Raises DatasetRefused for what is no weight."""
    if len(array.shape) != 1:
        raise DatasetRefused(
            f"{array.name} has shape {shown(array.shape)}; expected one weight an example, shape "
            f"({array.shape[0]},)"
        )
    weights, total = workspace.spool(np.float32), 0.0
    for block in array.blocks():
        stored = as_stored(block, array.name).astype(np.float32)
        if not (wrong := ~(np.isfinite(stored) & (stored >= 0))).any():
            total += float(stored.sum(dtype=np.float64))
            weights.append(stored)
            continue
        raise DatasetRefused(
            f"{array.name} has the value {shown(block[wrong][0].item())}; expected finite numbers "
            "that are not negative"
        )
    if total == 0:
        raise DatasetRefused(f"{array.name} has no weight above 0: there is nothing to learn from")
    return weights
