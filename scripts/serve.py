"""`make serve`: API and worker on this machine until Ctrl-C."""

import signal
import sys
import time

from contract.settings import read_settings
from scripts.local import Child, NotStarted, base_url, running

_LOOK_SECONDS = 0.5


def main() -> int:
    settings = read_settings()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running(settings) as (api, worker):
            print(f"\nPlateau listens on {base_url(settings)}; Ctrl-C stops it.\n", flush=True)
            return _watch(api, worker)
    except NotStarted as reason:
        print(f"Plateau could not start: {reason}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # while it was starting
        return 130


def _watch(api: Child, worker: Child) -> int:
    """Until Ctrl-C. A worker that ends is started again; without its API there is no service."""
    try:
        while api.exit_status is None:
            time.sleep(_LOOK_SECONDS)
            if worker.exit_status is not None:
                print("The worker ended; it is started again.", file=sys.stderr)
                worker.restart()
    except KeyboardInterrupt:
        print("Stopping: running jobs save a checkpoint and wait in the queue.", flush=True)
        return 0
    print(f"The API ended with status {api.exit_status}.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
