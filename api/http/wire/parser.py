"""httptools' parser, for a server that speaks nothing but HTTP/1.1."""

from collections.abc import Iterator

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
)
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_PROTOCOLS = {b"upgrade", b"http2-settings"}


class Enough(Exception):
    """Raised by a protocol's callback: nothing more is read."""


class Parser:
    """Reads on where a request asks to go on in another protocol.

    Java's HttpClient and `curl --http2` ask for h2c, and a server may ignore that (RFC 9110,
    section 7.8). httptools does not: it takes the body for that protocol's. So such a head is read
    again, as if it had not asked; `protocol` passes over the first time (`should_upgrade`).
    """

    def __init__(self, protocol: HttpToolsProtocol) -> None:
        self._protocol = protocol
        self._start()

    def feed_data(self, data: bytes) -> None:
        """Raises HttpParserError for what is no HTTP/1.1, and for CONNECT."""
        rest = memoryview(data)
        while rest:
            try:
                return self._parser.feed_data(rest)
            except HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
                self._read_again()
            except HttpParserCallbackError as error:
                if isinstance(error.__context__, Enough):
                    return None
                raise
        return None

    def should_upgrade(self) -> bool:
        return self._parser.should_upgrade()

    def should_keep_alive(self) -> bool:
        return self._parser.should_keep_alive()

    def get_http_version(self) -> str:
        return self._parser.get_http_version()

    def get_method(self) -> bytes:
        return self._parser.get_method()

    def _start(self) -> None:
        self._parser = HttpRequestParser(self._protocol)
        # As uvicorn has it: what follows a request that closes is not looked at.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def _read_again(self) -> None:
        method, version = self._parser.get_method(), self._parser.get_http_version()
        if method == b"CONNECT":
            raise HttpParserError("this is no proxy")
        first = b"%s %s HTTP/%s\r\n" % (method, self._protocol.url, version.encode())
        lines = [b"%s: %s\r\n" % header for header in _without_upgrade(self._protocol.headers)]
        self._start()
        self._parser.feed_data(first + b"".join(lines) + b"\r\n")


def _without_upgrade(headers: list[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers:
        if name == b"connection":
            tokens = [token.strip() for token in value.split(b",")]
            yield name, b", ".join(token for token in tokens if token.lower() not in _PROTOCOLS)
        elif name not in _PROTOCOLS:
            yield name, value
