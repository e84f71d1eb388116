"""The answer to what is refused before there is a request: all of its bytes."""

import logging

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from api.http.problems import MEDIA_TYPE, WIRE, Problem
from api.http.security_headers import completed
from contract import ids
from contract.logs import bound

log = logging.getLogger(__name__)


def answer(status: int, detail: str) -> bytes:
    """A problem of `problems.WIRE`, after which the connection is closed; it is logged here."""
    slug, title = WIRE[status]
    request_id = ids.REQUEST.new()
    with bound(request_id=request_id):
        log.info("refused with %d: %s", status, detail)
    problem = Problem(
        type=f"/problems/{slug}",
        title=title,
        status=status,
        detail=detail,
        instance="",
        request_id=request_id,
    )
    body = problem.model_dump_json(exclude_none=True).encode()
    headers = completed(
        [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            (b"x-request-id", request_id.encode()),
        ]
    )
    head = b"".join(b"%s: %s\r\n" % header for header in headers)
    return STATUS_LINE[status] + head + b"\r\n" + body
