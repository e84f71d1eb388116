"""`python -m worker.training.data.download NAME FILE`: Keras' own download, kept as one npz."""

import importlib
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path

import numpy as np

STALL_SECONDS = 15


def main(name: str, path: Path) -> None:
    """Download dataset `name` and put it at `path`, whole or not at all.

    Takes its process for itself: Keras' home and the sockets' timeout are set for all of it.
    """
    socket.setdefaulttimeout(STALL_SECONDS)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{name}-") as folder:
        os.environ["KERAS_HOME"] = folder
        load_data = importlib.import_module(f"keras.datasets.{name}").load_data
        (x_train, y_train), (x_test, y_test) = load_data()
        part = Path(folder) / path.name
        with part.open("wb") as file:
            np.savez(file, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


if __name__ == "__main__":
    # As an exception, so that what is half downloaded goes away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    main(sys.argv[1], Path(sys.argv[2]))
