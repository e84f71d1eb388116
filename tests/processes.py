"""Child processes of tests: started, waited for, and ended by their own handle."""

import os
import pwd
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

START_SECONDS = 60.0
STOP_SECONDS = 30.0


def start(
    command: Sequence[str], log: Path, owner: pwd.struct_passwd | None = None
) -> subprocess.Popen[bytes]:
    """Start in a session of its own, so that Ctrl-C reaches pytest alone, which then stops it."""
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            start_new_session=True,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
        )


def stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    process.send_signal(how)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(what: str, condition: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    """Look again and again; the assertion fails with `what` when the time is up."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < seconds, f"waited {seconds:.0f} s for {what}"
        # Ever more seldom, for what is waited for needs the processor too.
        time.sleep(min(0.5, 0.02 + waited / 50))


def wait_until_ready(
    process: subprocess.Popen[bytes],
    log: Path,
    connect: Callable[[], None],
    refused: type[Exception],
) -> None:
    """Until `connect` no longer raises `refused`. A server that ended says why by its log."""

    def answers() -> bool:
        try:
            connect()
        except refused as error:
            if process.poll() is not None:
                raise RuntimeError(f"The server ended; its log ends:\n{tail(log)}") from error
            return False
        return True

    wait_for(f"a server to answer; its log: {log}", answers)


def tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def runs(pid: int) -> bool:
    """Whether there is such a process that has not ended, waited for or not; Linux only."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(pid: int) -> list[int]:
    """Of all threads of a process; Linux only."""
    return [
        int(child)
        for thread in Path(f"/proc/{pid}/task").glob("*/children")
        for child in thread.read_text().split()
    ]


def resident_megabytes(pid: int) -> float:
    """The process's memory that is not swapped out; Linux only."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise RuntimeError(f"/proc/{pid}/status does not tell VmRSS")
    return int(found[1]) / 1000


def processor_seconds(pid: int) -> float:
    """What the process has had of a core, in user and system mode; Linux only."""
    # The name, in parentheses, may have spaces; then come fields 3 and on of proc(5).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
