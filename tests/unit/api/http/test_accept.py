"""Which media type a client gets, by its Accept header."""

import pytest

from api.http.accept import preferred

JSON, STREAM = OFFERED = ("application/json", "text/event-stream")


@pytest.mark.parametrize(
    "accept",
    [
        "text/event-stream",
        "Text/Event-Stream",
        "text/event-stream; charset=utf-8",
        "text/*",
        "image/png, text/event-stream;q=0.1",
        "application/json;q=0.8, text/event-stream;q=0.9",
        "application/json ; q=0.8,text/event-stream",
        "application/json;q=0, */*",
        "application/json;q=0, */*;q=0.1",
        # Equal, and more exactly named.
        "text/event-stream, */*",
        "text/event-stream;q=0.5, */*;q=0.5",
    ],
)
def test_who_would_rather_have_a_stream(accept: str) -> None:
    assert preferred(accept, OFFERED) == STREAM


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "text/html, application/xhtml+xml, */*;q=0.8",
        "application/json, text/event-stream",
        "text/event-stream, application/json",
        "text/event-stream;q=0.5, */*",
        "text/event-stream;q=0",
        "text/event-stream;q=0.000, application/json;q=0.001",
        "text/*;q=0.4, application/*;q=0.5",
        "text/*, text/event-stream;q=0.1, application/json;q=0.2",
        "image/png",
        "text/event-streams, text/event",
        ",;q=1,,/*,*",
    ],
)
def test_who_gets_json(accept: str) -> None:
    assert preferred(accept, OFFERED) == JSON
