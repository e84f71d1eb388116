"""`python -m api`: serves HTTP until SIGTERM or Ctrl-C."""

import errno
import gc
import logging
import signal
import socket
import sys
from types import FrameType

from api.app import create_app
from api.auth.caller import on_loopback
from api.http.wire.outgoing import give_up_stalled
from api.server import Server, allow_many_connections, configuration
from contract import logs
from contract.environment import warn_of_unknown_settings
from contract.settings import Settings, read_settings


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    settings = read_settings()
    _check_reach(settings)
    logs.configure(settings, "api")
    warn_of_unknown_settings()
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it reports every look at the schema
    # uvicorn shuts down gracefully, then sends itself the signal again: that is a clean end.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    allow_many_connections()
    app = create_app(settings)
    # What is loaded now stays: to look through it again and again costs 150 ms each time.
    gc.collect()
    gc.freeze()
    # A request makes thousands of objects and no cycles worth speaking of.
    gc.set_threshold(20_000, 20, 20)
    with _listening(settings) as listener:
        Server(configuration(app, settings)).run(sockets=[listener])


def _check_reach(settings: Settings) -> None:
    if settings.auth == "auto" and not on_loopback(settings.host):
        sys.exit(
            f"Other machines could reach {settings.host} (PLATEAU_HOST), so say who may do what: "
            "set PLATEAU_AUTH=keys (python -m api.keys create --owner NAME makes a key), or "
            "PLATEAU_AUTH=open if whoever reaches it may do everything."
        )


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _listening(settings: Settings) -> socket.socket:
    """A socket that is bound here and handed on, so that nobody can take the port in between."""
    place = f"{settings.host}:{settings.port}"
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        address = (settings.host, settings.port)
        return give_up_stalled(socket.create_server(address, family=family, backlog=2048))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sys.exit(
                f"{place} is in use: end what listens there, or set PLATEAU_PORT to a free port."
            )
        sys.exit(f"Cannot listen on {place} (PLATEAU_HOST, PLATEAU_PORT): {error}.")


if __name__ == "__main__":
    main()
