"""A client of event streams that sees every byte: over a bare socket, as HTTP/1.1 has it."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

SECONDS = 30.0
END = b"0\r\n\r\n"


@dataclass(frozen=True)
class Message:
    """An event as a browser dispatches it; `id` is its own, not the last one's."""

    event: str
    data: Any
    id: str | None


@dataclass
class Connection:
    """One answer, as far as it came."""

    socket: socket.socket
    received: bytearray = field(default_factory=bytearray)

    def read(self, size: int = 65536) -> bytes:
        """What has come by now, or comes next; nothing once the server has closed."""
        block = self.socket.recv(size)
        self.received += block
        return block

    def read_until(self, wanted: bytes) -> None:
        while wanted not in self.received:
            assert self.read(), f"the server closed without {wanted!r}: {bytes(self.received)!r}"

    def read_to_the_end(self) -> None:
        while self.read():
            pass

    @property
    def status(self) -> int:
        return int(self.received.split(b" ", 2)[1])

    @property
    def headers(self) -> httpx.Headers:
        lines = bytes(self.received).partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
        return httpx.Headers(
            [(name, value) for name, _, value in (x.partition(b": ") for x in lines)]
        )

    @property
    def whole(self) -> bool:
        """Whether the answer is finished by the rules of chunked encoding."""
        return self.received.endswith(END)

    @property
    def text(self) -> str:
        return body(bytes(self.received)).decode(errors="replace")

    @property
    def messages(self) -> list[Message]:
        return messages(self.text)


@contextmanager
def connected(
    url: httpx.URL, path: str, *, buffer: int | None = None, **headers: str
) -> Iterator[Connection]:
    """Ask for the stream at `path`; `buffer` is the size of the socket's, in bytes."""
    with socket.socket() as plain:
        if buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        plain.settimeout(SECONDS)
        plain.connect((url.host, url.port))
        plain.sendall(request(path, **headers))
        yield Connection(plain)


def request(path: str, **headers: str) -> bytes:
    """The request's bytes; `last_event_id` is the header Last-Event-ID."""
    fields = {"Host": "localhost", "Connection": "close", "Accept": "text/event-stream", **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


def body(received: bytes) -> bytes:
    """What came of a chunked body, cut off or not."""
    content = bytearray()
    head, blank, _ = received.partition(b"\r\n\r\n")
    at = len(head) + len(blank)
    while (line := received.find(b"\r\n", at)) > 0:
        length = int(received[at:line], 16)
        content += received[line + 2 : line + 2 + length]
        at = line + 2 + length + 2
    return bytes(content)


def messages(text: str) -> list[Message]:
    """By the HTML standard, section 9.2.6: what no blank line ended is no event."""
    *blocks, _unfinished = text.split("\n\n")
    found = []
    for block in blocks:
        lines = [line for line in block.split("\n") if not line.startswith(":")]
        fields = dict(line.split(": ", 1) for line in lines)
        if "data" in fields:
            data = json.loads(fields["data"])
            found.append(Message(fields.get("event", "message"), data, fields.get("id")))
    return found
