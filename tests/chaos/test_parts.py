"""The parts of the harness: schedules, the proxy, damage."""

import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.disk import damage
from tests.chaos.proxy import Proxy
from tests.chaos.schedule import schedule


def test_a_seed_gives_its_schedule_again() -> None:
    drawn = schedule("1 x", ["a", "b"], 50, lasts=(1.0, 2.0))
    assert drawn == schedule("1 x", ["a", "b"], 50, lasts=(1.0, 2.0))
    assert drawn != schedule("2 x", ["a", "b"], 50, lasts=(1.0, 2.0))
    assert [fault.at for fault in drawn] == sorted(fault.at for fault in drawn)
    assert [fault.kind for fault in drawn].count("a") == 25
    assert all(0 <= fault.at < 1 <= fault.lasts <= 2 for fault in drawn)
    assert {fault.of("xyz") for fault in drawn} == set("xyz")


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


@pytest.fixture
def proxy(server: socket.socket) -> Iterator[Proxy]:
    with Proxy(server.getsockname()[1]) as proxy:
        yield proxy


def test_a_proxy_passes_on_is_silent_and_cuts(server: socket.socket, proxy: Proxy) -> None:
    heard: list[bytes] = []
    proxy.overheard = heard.append
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        there, _ = server.accept()
        with there:
            client.sendall(b"ping")
            assert there.recv(100) == b"ping"
            there.sendall(b"pong")
            assert client.recv(100) == b"pong"
            proxy.silence()
            client.sendall(b"anyone?")
            there.settimeout(0.2)
            with pytest.raises(TimeoutError):
                there.recv(100)
            proxy.heal()
            there.settimeout(10)
            assert there.recv(100) == b"anyone?"
            proxy.reset()
            with pytest.raises(ConnectionResetError):
                client.recv(100)
    assert heard[0] == b"ping"


@pytest.mark.parametrize("kind", ["flip", "truncate", "remove"])
def test_damage_changes_a_file(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    for seed in range(20):
        file.write_bytes(b"content")
        damage(file, kind, random.Random(seed))
        assert not file.exists() or file.read_bytes() != b"content"
