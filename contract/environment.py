"""What a process finds around it: variables that no setting reads, and cores."""

import logging
import os
from difflib import get_close_matches

from contract.settings import RENAMED, Settings

log = logging.getLogger(__name__)


def warn_of_unknown_settings() -> None:
    """Log each PLATEAU_ variable that no setting reads, likely misspelt, or whose name is old."""
    prefix = str(Settings.model_config["env_prefix"])
    known = [prefix + name.upper() for name in Settings.model_fields]
    for name in sorted(os.environ):
        if name in RENAMED:
            log.warning("%s is called %s now: the old name goes with 0.2", name, RENAMED[name])
        elif name.startswith(prefix) and name not in known:
            close = get_close_matches(name, known, 1)
            meant = f"; did you mean {close[0]}?" if close else ""
            log.warning("%s is set, but there is no such setting%s", name, meant)


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
