"""What a run writes with Keras and NumPy is whole, or an error says that it is not."""

from pathlib import Path

import keras
import pytest

from tests.small_files import at_most
from worker.training.data.prepare import IDENTITY, Part, Prepared
from worker.training.run import _saved

# Keras 3.15 hands NumPy a variable in a way that NumPy 2 is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
LIMITS = 30


def test_a_model_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    layers = [keras.Input((20,)), keras.layers.Dense(200), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse")
    size = _saved(model, tmp_path).stat().st_size
    for limit in range(100, size, size // LIMITS):
        with at_most(limit), pytest.raises(OSError, match="File too large"):
            _saved(model, tmp_path)
    with at_most(size):
        file = _saved(model, tmp_path)
    assert keras.saving.load_model(file).count_params() == model.count_params()


def test_so_is_its_scaling(tmp_path: Path) -> None:
    data = keras.ops.convert_to_numpy(keras.ops.zeros((2, 1)))
    part = Part(data, data)
    prepared = Prepared(part, None, part, IDENTITY, IDENTITY)
    size = prepared.save_scaling(tmp_path).stat().st_size
    for limit in range(10, size, 10):
        with at_most(limit), pytest.raises(OSError, match="File too large"):
            prepared.save_scaling(tmp_path)
