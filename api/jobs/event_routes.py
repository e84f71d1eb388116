"""All that happens to a job: a page at a time, or as it happens."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic.json_schema import SkipJsonSchema

from api.auth.caller import AppCaller
from api.dependencies import AppDatabase
from api.http import pages
from api.http.model_response import rendered
from api.jobs import queries as job_queries
from api.jobs import responses as jobs_responses
from api.jobs.dependencies import JobById
from api.jobs.event_stream import MEDIA_TYPE, EventStream
from api.jobs.news import News
from api.openapi import responses as openapi_responses
from contract.store.status import TERMINAL

router = APIRouter(prefix="/v1/jobs/{job_id}/events", tags=["jobs"])

_ANSWERS: openapi_responses.Answers = {
    **openapi_responses.file(MEDIA_TYPE, "A page, or the stream."),
    204: {"description": "To a stream: the job has ended, and the client has seen all its events."},
}
Page = Annotated[job_queries.EventPage, Query()]
LastEventId = Annotated[
    job_queries.Seq | SkipJsonSchema[None],
    Header(alias="Last-Event-ID", description="to a stream: as `after`, which it overrules"),
]


async def _stream(
    request: Request, job: JobById, caller: AppCaller, page: Page, last_event_id: LastEventId = None
) -> Response | None:
    """None where Accept does not name the stream's media type: the client gets a page."""
    accept = ",".join(request.headers.getlist("accept")).lower().split(",")
    if MEDIA_TYPE not in (each.partition(";")[0].strip() for each in accept):
        return None
    seq = page.after if last_event_id is None else last_event_id
    if job.status in TERMINAL and seq >= job.events:
        return Response(status_code=204, headers={"Cache-Control": "no-store", "Vary": "Accept"})
    state = request.app.state
    place = state.streams.one_more(caller)
    return EventStream(state.feed, job.id, News(job.events, job.status), seq, place)


Stream = Annotated[Response | None, Depends(_stream)]


@router.get("", response_model=pages.Page[jobs_responses.Event], responses=_ANSWERS)
def list_events(job: JobById, page: Page, stream: Stream, database: AppDatabase) -> Response:
    """All that happened to a job, oldest first: its statuses and its epochs.

    With `Accept: text/event-stream` these and those to come, each with its seq as the id, and
    `end` after a last status. A client that comes back with Last-Event-ID misses none, and is told
    by 204 that there will be no more.
    """
    if stream is not None:
        return stream
    with database.looking() as connection:
        found = job_queries.events(connection, job.id, page.after, page.limit + 1)
    has_more = len(found) > page.limit
    answer = rendered(pages.Page(data=found[: page.limit], has_more=has_more))
    answer.headers["Vary"] = "Accept"
    return answer
