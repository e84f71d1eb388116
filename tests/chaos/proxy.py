"""A TCP proxy on loopback that does to connections what networks do."""

import asyncio
import socket
import struct
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from contextlib import suppress
from typing import Self

_BLOCK = 65536
# Who closes with this sends RST, and what is on the way is lost.
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Passes connections to its own port on to `target`, in a thread of its own.

    `overheard` is called with each block that a client sends, after it was passed on;
    `holds_answers_to` with the connection too, and before: if it says so, no answer passes any
    more, on any connection, until `heal`.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.overheard: Callable[[bytes], None] | None = None
        self.holds_answers_to: Callable[[object, bytes], bool] | None = None
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._answering = asyncio.Event()
        self._answering.set()
        self._over = asyncio.Event()
        self._writers: set[StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def silence(self) -> None:
        """Hold every byte back, and keep all connections open."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def heal(self) -> None:
        """Let the bytes flow, also those that were held back."""
        for each in (self._flowing, self._answering):
            self._loop.call_soon_threadsafe(each.set)

    def reset(self) -> None:
        """Cut all connections; new ones are welcome."""
        self._loop.call_soon_threadsafe(self._cut)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, sock=self._listener)
        await self._over.wait()
        server.close()
        self._flowing.set()
        self._answering.set()
        self._cut()
        if self._connections:
            await asyncio.wait(self._connections)

    def _cut(self) -> None:
        for writer in [each for each in self._writers if not each.is_closing()]:
            end: socket.socket = writer.get_extra_info("socket")
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.create_task(self._connected(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            there, onward = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # nobody listens: so it is for the client
            writer.close()
            return
        ends = {writer, onward}
        self._writers |= ends
        try:
            ways = (self._pass_on(reader, onward, True), self._pass_on(there, writer, False))
            await asyncio.gather(*ways)
        finally:
            self._writers -= ends

    async def _pass_on(self, reader: StreamReader, writer: StreamWriter, upward: bool) -> None:
        try:
            with suppress(OSError):
                while block := await reader.read(_BLOCK):
                    await self._flowing.wait()
                    await self._may_pass(writer, block, upward)
                    writer.write(block)
                    await writer.drain()
                    if upward and self.overheard is not None:
                        await asyncio.to_thread(self.overheard, block)
        finally:
            writer.close()

    async def _may_pass(self, writer: StreamWriter, block: bytes, upward: bool) -> None:
        if not upward:
            await self._answering.wait()
        elif self.holds_answers_to is not None and self.holds_answers_to(writer, block):
            self._answering.clear()
