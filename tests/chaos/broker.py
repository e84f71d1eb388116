"""A Redis that can be emptied, restarted, silenced, cut off, and made to say everything thrice."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import redis

from tests import services
from tests.chaos.proxy import Proxy

KINDS = ("flush", "restart", "silence", "reset", "triple")
# How redis-py sends the push of one message.
_PUSH = re.compile(rb"\*3\r\n\$5\r\nLPUSH\r\n\$\d+\r\n(plateau\.\w+)\r\n\$(\d+)\r\n")


class Broker:
    """A Redis with a folder and a port of its own, which clients reach through a proxy: `url`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = services.free_port()
        self._proxy = Proxy(self._port)
        self._running = ExitStack()
        self.url = f"redis://127.0.0.1:{self._proxy.port}/0"

    def __enter__(self) -> Self:
        self._start()
        self._proxy.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._proxy.__exit__()
        self._running.close()

    @contextmanager
    def fault(self, kind: str) -> Iterator[None]:
        """Meanwhile something of `KINDS` is wrong with Redis; afterwards it works."""
        match kind:
            case "flush":
                self._empty()
                yield
                self._empty()
            case "restart":
                self._server.process.kill()
                yield
                self._start()
            case "silence":
                self._proxy.silence()
                yield
                self._proxy.heal()
            case "reset":
                self._proxy.reset()
                yield
                self._proxy.reset()
            case "triple":
                self._proxy.overheard = self._push_twice_more
                yield
                self._proxy.overheard = None

    def lose_everything(self) -> None:
        """Killed, and back with nothing in it."""
        self._server.process.kill()
        self._start()
        self._empty()

    def _start(self) -> None:
        self._running.close()
        running = services.running_redis(self._folder, port=self._port)
        self._server = self._running.enter_context(running)

    def _empty(self) -> None:
        with redis.Redis(port=self._port) as client:
            client.flushall()

    def _push_twice_more(self, sent: bytes) -> None:
        with redis.Redis(port=self._port) as client:
            for push in _PUSH.finditer(sent):
                message = sent[push.end() : push.end() + int(push[2])]
                client.lpush(push[1], message, message)
