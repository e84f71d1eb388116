"""`python -m api` as a process: how it starts, how it ends, and when it refuses to."""

import os
import resource
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from migrations.upgrade import upgrade
from tests import jobs, processes, services
from tests.sse import connected

ROOT = Path(__file__).parents[4]


def start(folder: Path, port: int, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "api"],
        cwd=ROOT,
        env={
            **os.environ,
            "PLATEAU_VAR_DIR": str(folder),
            "PLATEAU_PORT": str(port),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def refusal(process: subprocess.Popen[str]) -> str:
    """What a process said that would not start."""
    said, _ = process.communicate(timeout=processes.START_SECONDS)
    assert process.returncode == 1, said
    return said.splitlines()[-1]


def wait_until_it_answers(
    process: subprocess.Popen[str], port: int, host: str = "127.0.0.1"
) -> None:
    def answers() -> bool:
        assert process.poll() is None, process.communicate()[0]
        try:
            return httpx.get(f"http://{host}:{port}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    processes.wait_for("the API", answers)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    port = services.free_port()
    with start(tmp_path, port) as process:
        try:
            wait_until_it_answers(process, port)
            process.send_signal(number)
            said, _ = process.communicate(timeout=processes.STOP_SECONDS)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "Traceback" not in said


def test_it_starts_small_and_soon(tmp_path: Path) -> None:
    """120 MB and 2 s are promised; a busy machine takes longer, but not more of a processor."""
    port = services.free_port()
    with start(tmp_path, port) as process:
        try:
            wait_until_it_answers(process, port)
            megabytes = processes.resident_megabytes(process.pid)
            seconds = processes.processor_seconds(process.pid)
        finally:
            process.kill()
    assert megabytes < 120
    assert seconds < 6


def test_open_streams_are_ended_with_it_and_not_cut(tmp_path: Path, sqlite_url: str) -> None:
    """So that clients know that they have all of it, and come back to the next process."""
    upgrade(sqlite_url)
    with jobs.empty_database(sqlite_url) as database:
        path = f"/v1/jobs/{jobs.submit(database)}/events"
    port = services.free_port()
    url = httpx.URL(f"http://127.0.0.1:{port}")
    with start(tmp_path, port, PLATEAU_DATABASE_URL=sqlite_url) as process, ExitStack() as stack:
        try:
            wait_until_it_answers(process, port)
            streams = [stack.enter_context(connected(url, path)) for _ in range(10)]
            for stream in streams:
                stream.read_until(b"id: 1\n\n")
            process.send_signal(signal.SIGTERM)
            for stream in streams:
                stream.read_to_the_end()
            said, _ = process.communicate(timeout=processes.STOP_SECONDS)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "Traceback" not in said
    assert "exceeded" not in said
    for stream in streams:
        assert stream.whole
        assert [message.id for message in stream.messages] == ["1"]
        assert stream.text.endswith("connect again with Last-Event-ID\n\n")


def test_it_may_open_more_files_than_a_shell_allows() -> None:
    code = (
        "import resource as r; hard = r.getrlimit(r.RLIMIT_NOFILE)[1]; "
        "r.setrlimit(r.RLIMIT_NOFILE, (256, hard)); "
        "from api.server import allow_many_connections; allow_many_connections(); "
        "print(*r.getrlimit(r.RLIMIT_NOFILE), hard)"
    )
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    soft, hard, before = map(int, told.split())
    assert hard == before
    assert soft == (10_240 if hard == resource.RLIM_INFINITY else min(hard, 10_240))


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start(tmp_path, port) as process:
            assert refusal(process) == (
                f"127.0.0.1:{port} is in use: end what listens there, or set PLATEAU_PORT to a "
                "free port."
            )


def test_an_address_of_elsewhere_is_named(tmp_path: Path) -> None:
    elsewhere = {"PLATEAU_HOST": "192.0.2.1", "PLATEAU_AUTH": "open"}
    with start(tmp_path, services.free_port(), **elsewhere) as process:
        assert "Cannot listen on 192.0.2.1" in refusal(process)


def test_elsewhere_it_does_not_listen_unless_told_who_may_do_what(tmp_path: Path) -> None:
    with start(tmp_path, services.free_port(), PLATEAU_HOST="0.0.0.0") as process:
        said = refusal(process)
    for word in ("0.0.0.0", "PLATEAU_AUTH=keys", "python -m api.keys create", "PLATEAU_AUTH=open"):
        assert word in said
    assert not list(tmp_path.iterdir())
