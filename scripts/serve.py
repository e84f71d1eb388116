"""`make serve`: API and worker on this machine until Ctrl-C."""

import signal
import sys

from contract.settings import read_settings
from scripts.local import NotStarted, base_url, running


def main() -> int:
    settings = read_settings()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running(settings):
            print(f"\nPlateau listens on {base_url(settings)}; Ctrl-C stops it.\n", flush=True)
            _wait()
    except NotStarted as reason:
        print(f"Plateau could not start: {reason}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # while it was starting
        return 130
    return 0


def _wait() -> None:
    """Until Ctrl-C or SIGTERM."""
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        print("Stopping: running jobs save a checkpoint and wait in the queue.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
