"""httptools' parser, for a server that speaks nothing but HTTP/1.1."""

from collections.abc import Iterator

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_PROTOCOLS = {b"upgrade", b"http2-settings"}


def feed(protocol: HttpToolsProtocol, data: bytes) -> None:
    """Let `protocol.parser` read on, also where a request asks to go on in another protocol.

    Java's HttpClient and `curl --http2` ask for h2c, and a server may ignore that (RFC 9110,
    section 7.8). httptools does not: it takes the body for that protocol's. So such a head is read
    again, as if it had not asked; `protocol` passes over the first time (`should_upgrade`).

    Raises HttpParserError for what is no HTTP/1.1, and for CONNECT.
    """
    rest = memoryview(data)
    while rest:
        try:
            return protocol.parser.feed_data(rest)
        except HttpParserUpgrade as upgrade:
            rest = rest[upgrade.args[0] :]
            _read_again(protocol)
    return None


def _read_again(protocol: HttpToolsProtocol) -> None:
    method, version = protocol.parser.get_method(), protocol.parser.get_http_version()
    if method == b"CONNECT":
        raise HttpParserError("this is no proxy")
    first = b"%s %s HTTP/%s\r\n" % (method, protocol.url, version.encode())
    lines = [b"%s: %s\r\n" % header for header in _without_upgrade(protocol.headers)]
    protocol.parser = HttpRequestParser(protocol)
    # As uvicorn has it: what follows a request that closes is not looked at.
    protocol.parser.set_dangerous_leniencies(lenient_data_after_close=True)
    protocol.parser.feed_data(first + b"".join(lines) + b"\r\n")


def _without_upgrade(headers: list[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers:
        if name == b"connection":
            tokens = [token.strip() for token in value.split(b",")]
            yield name, b", ".join(token for token in tokens if token.lower() not in _PROTOCOLS)
        elif name not in _PROTOCOLS:
            yield name, value
