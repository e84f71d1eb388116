"""What is read of a dataset. Only what reads one imports this: NumPy takes 12 MB."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
