"""uvicorn for answers that last as long as a job."""

import asyncio
import resource
import socket

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from api.http.wire.outgoing import end_stalled
from api.http.wire.protocol import BoundedProtocol
from api.http.wire.sending import SendingProtocol
from contract.settings import Settings

# What macOS allows at most where it says "unlimited".
_FILES = 10_240
_DRAIN_SECONDS = 10


class Server(uvicorn.Server):
    """Ends event streams and long polls when it is told to stop.

    uvicorn waits for open answers before it ends the lifespan, and cuts those that take too long.
    """

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        assert isinstance(app, FastAPI), "the server was made for the application itself"
        app.state.feed.close()
        await super().shutdown(sockets)

    @override
    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        connections = self.server_state.connections
        sending = [each.outgoing for each in connections if isinstance(each, SendingProtocol)]
        end_stalled(sending, asyncio.get_running_loop().time())
        return await super().on_tick(counter)


def configuration(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves `app`, which logs its requests itself."""

    class Protocol(BoundedProtocol):
        max_head_bytes = settings.max_header_bytes
        # More than the largest upload: an answer that says so must arrive, too.
        max_leftover_bytes = 2 * max(settings.max_upload_bytes, settings.max_body_bytes)

    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing that is answered depends on where a client says it is
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )


def allow_many_connections() -> None:
    """Raise the soft limit of open files, often 1,024: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
