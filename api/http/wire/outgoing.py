"""What a connection has yet to send: how much that is, and since when nothing of it has left.

A client that does not read must not take the memory of all. uvicorn waits for the
transport's buffer before it writes, but then writes a body of any size at once.
"""

import fcntl
import logging
import socket
import struct
import termios
from asyncio import AbstractEventLoop, Transport
from collections.abc import Iterable

from starlette.types import Message, Send

log = logging.getLogger(__name__)

PIECE = 65_536
STALLED_SECONDS = 30.0
MOST_BYTES = 128_000_000


class Outgoing:
    """Of one connection. `left` bytes are in hand, in the transport's buffer or, while there are
    any there, in the kernel's; `since` is when the last of them was acknowledged."""

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._in_hand = 0
        self._given = 0  # all that was to be sent until now
        self._acknowledged = 0
        self.left = 0
        self.since = 0.0

    async def send(self, send: Send, message: Message) -> None:
        """Pass on a body in pieces, each once the one before has left the buffer."""
        body = message.get("body", b"")
        self._given += len(body)
        for start in range(0, len(body) or 1, PIECE):
            self._in_hand = len(body) - start
            piece = body[start : start + PIECE]
            more = self._in_hand > PIECE or message.get("more_body", False)
            await send({**message, "body": piece, "more_body": more})
        self._in_hand = 0

    def look(self) -> int:
        """Count anew what is left; `since` is now where that is nothing, or less than it was."""
        self.left = self._in_hand + self._transport.get_write_buffer_size()
        kept = self.left and self.left + _in_kernel(self._transport)
        if not kept or self._given - kept > self._acknowledged:
            self._acknowledged = self._given - kept
            self.since = self._loop.time()
        return self.left

    def abort(self) -> None:
        """By a reset, or the kernel would keep what it has."""
        plain = self._transport.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


def end_stalled(connections: Iterable[Outgoing], now: float) -> None:
    """End those that have not sent for 30 s; beyond `MOST_BYTES` in all, those that have waited
    longest, too."""
    waiting = [each for each in connections if each.look()]
    waiting.sort(key=lambda each: each.since)
    total = sum(each.left for each in waiting)
    for each in waiting:
        if now - each.since < STALLED_SECONDS and total <= MOST_BYTES:
            return
        log.info("a client that does not read is cut off: %d bytes were left", each.left)
        total -= each.left
        each.abort()


def give_up_stalled(listener: socket.socket) -> socket.socket:
    """Let the kernel do the same with what it still has of an answer, closed or not; Linux only."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALLED_SECONDS * 1000)
        )
    return listener


def _in_kernel(transport: Transport) -> int:
    """Bytes that the other side has not acknowledged; Linux only (SIOCOUTQ of tcp(7)), else 0."""
    plain = transport.get_extra_info("socket")
    try:
        told = fcntl.ioctl(plain.fileno(), termios.TIOCOUTQ, b"\0" * 4)
    except (OSError, ValueError):
        return 0
    return int(struct.unpack("i", told)[0])
