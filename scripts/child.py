"""`python -m scripts.child MODULE`: runs MODULE as `python -m` does, until whoever started it ends.

Its stdin is a pipe that nobody writes to. The system closes the other end when the starter is gone,
however it ended, a SIGKILL included; then this process is told to go, as by SIGTERM.
"""

import os
import runpy
import signal
import sys
import threading

# As long as a worker may take to save what it trains, and some more.
_LEAVE_SECONDS = 90.0


def main() -> None:
    _, module = sys.argv
    threading.Thread(target=_leave_with_the_starter, name="starter", daemon=True).start()
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _leave_with_the_starter() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(_LEAVE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
