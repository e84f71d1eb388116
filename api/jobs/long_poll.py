"""An answer that comes when there is something new, or when the client has waited enough.

A wait begins only where there is something to wait for, and where the client has, by its
If-None-Match, what is there now. It keeps neither a thread nor a connection of the database.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Query, Request, Response
from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from api.auth.caller import Caller
from api.auth.quotas import Place
from api.http.disconnect import while_connected
from api.http.etags import named, tag_of
from api.jobs.event_feed import Feed
from api.openapi import responses
from contract.store import deadline

# What may be waited for, in seconds; a proxy commonly cuts what is silent for longer.
LONGEST_SECONDS = 60
Seconds = Annotated[float, Field(ge=0, le=LONGEST_SECONDS, allow_inf_nan=False)]
Wait = Annotated[
    Seconds,
    Query(
        description="seconds to wait for the next change of what is answered, unless If-None-Match "
        "says that the client does not have what is there now",
    ),
]


async def _sent(
    request: Request,
    if_none_match: Annotated[
        str | SkipJsonSchema[None],
        Header(alias="If-None-Match", description="ETags of what the client has, or *"),
    ] = None,
) -> Sequence[str]:
    """All of them: the header may come several times. What generates clients from the API's
    description knows it as HTTP does, as one string, and leaves out a route with a list there."""
    return request.headers.getlist("if-none-match") if if_none_match else ()


IfNoneMatch = Annotated[Sequence[str], Depends(_sent)]
_ETAG = {"ETag": responses.header("changes whenever the answer does")}
POLLED: responses.Answers = {
    200: {"headers": _ETAG},
    304: {
        "description": "The client has it already: its ETag is among If-None-Match.",
        "headers": _ETAG,
    },
}


@dataclass(frozen=True)
class Seen:
    """What a look found: `body` is the answer, `tag` its entity tag.

    `open` has what another answer may follow from: topics (`api.jobs.news`), each with the seq that
    was seen; none where there will be no other.
    """

    body: str
    tag: str
    open: Mapping[str, int]

    def is_news(self, if_none_match: Sequence[str]) -> bool:
        """Whether the client has reason not to wait."""
        return not self.open or bool(if_none_match and not named(self.tag, if_none_match))

    def response(self, if_none_match: Sequence[str]) -> Response:
        """304 for who has it already."""
        headers = {"ETag": self.tag, "Cache-Control": "private, no-cache"}
        if named(self.tag, if_none_match):
            return Response(status_code=304, headers=headers)
        return Response(self.body, headers=headers, media_type="application/json")


def seen(view: BaseModel, open_: Mapping[str, int]) -> Seen:
    """Of what is quickly worked out, so that its tag may follow from all of it."""
    body = view.model_dump_json()
    return Seen(body, tag_of(body), open_)


async def answer(
    request: Request,
    caller: Caller,
    look: Callable[[], Awaitable[Seen]],
    wait_seconds: float,
    if_none_match: Sequence[str],
) -> Response:
    """What `look` finds, after a wait if one was asked for.

    Raises what `look` raises, TooManyStreams, and Unauthorized where the key ended meanwhile.
    """
    found = await look()
    if wait_seconds and not found.is_news(if_none_match):
        state = request.app.state
        with state.streams.one_more(caller) as place:
            news = _any_news(state.feed, found.open, wait_seconds, place)
            await while_connected(request, news)
            place.check()
        deadline.begin(state.settings.request_seconds)  # it waited because it was asked to
        found = await look()
    return found.response(if_none_match)


async def end(request: Request, caller: Caller, topic: str, wait_seconds: float) -> None:
    """Wait until no more news of `topic` will come. Raises TooManyStreams, Unauthorized."""
    state = request.app.state
    with state.streams.one_more(caller) as place:
        await while_connected(request, state.feed.ended(topic, wait_seconds, place))
        place.check()
    deadline.begin(state.settings.request_seconds)


async def _any_news(
    feed: Feed, known: Mapping[str, int], wait_seconds: float, place: Place
) -> None:
    waits = [
        asyncio.ensure_future(feed.changed(topic, seq, wait_seconds, place))
        for topic, seq in known.items()
    ]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
