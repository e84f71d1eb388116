"""The answers that operations share: problems, queued jobs, files.

A route names the statuses that are its own (`responses={409: {}}`). Those that follow from what it
is (it wants a key, takes a body, has an id in its path) are added here, so that none is forgotten.
"""

from collections.abc import Mapping
from typing import Any

from api.http.problems import MEDIA_TYPE, kinds

Answer = dict[str, Any]
Answers = dict[int | str, Answer]

_ANYWHERE = {400, 408, 431, 500}
_KEYED = {401, 429, 503}
_BODY = {400, 413, 415, 422}
_LATER = "seconds after which it is worth asking again"
_CHALLENGE = "Bearer, and what was wrong with the key (RFC 6750)"


def header(description: str, *, type_: str = "string", required: bool = True) -> Answer:
    """The description of a response's header."""
    return {"description": description, "required": required, "schema": {"type": type_}}


_LOCATION = {"Location": header("path of what was made")}
_HEADERS = {
    401: {"WWW-Authenticate": header(_CHALLENGE)},
    403: {"WWW-Authenticate": header(_CHALLENGE)},
    409: {"Retry-After": header(f"{_LATER}, where it is", type_="integer", required=False)},
    429: {"Retry-After": header(_LATER, type_="integer")},
    503: {"Retry-After": header(_LATER, type_="integer")},
}


def queued(description: str) -> Answers:
    """`responses` of a route that queues jobs."""
    headers = {**_LOCATION, "Retry-After": header(_LATER, type_="integer")}
    return {202: {"description": description, "headers": headers}}


def created(description: str) -> Answers:
    """`responses` of a route that makes something which stays."""
    return {201: {"description": description, "headers": _LOCATION}}


def file(media_type: str, description: str) -> Answers:
    """`responses` of a route that answers with a file."""
    schema = {"type": "string"}
    if not media_type.startswith("text/"):
        schema["format"] = "binary"
    return {200: {"description": description, "content": {media_type: {"schema": schema}}}}


def problems(examples: Mapping[str, Any]) -> Answer:
    """components.responses: for each status of 4xx and 5xx what its problem can be."""
    return {name(status): _problem(status, examples.get(str(status))) for status in kinds()}


def _problem(status: int, example: Any) -> Answer:
    told = [f"`/problems/{slug}`: {title}." for slug, title in kinds()[status].items()]
    content: Answer = {"schema": {"$ref": "#/components/schemas/Problem"}}
    if example is not None:
        content["example"] = example
    answer = {"description": "  \n".join(told), "content": {MEDIA_TYPE: content}}
    return answer | ({"headers": _HEADERS[status]} if status in _HEADERS else {})


def name(status: int) -> str:
    """In components.responses."""
    return f"Problem{status}"


def refer_to_problems(path: str, method: str, operation: Answer) -> None:
    """Let the operation's answers of 4xx and 5xx be the shared ones, those that follow included."""
    answers: dict[str, Answer] = operation["responses"]
    own = {int(status) for status, answer in answers.items() if "content" not in answer}
    statuses = _following(path, method, operation) | {each for each in own if each >= 400}
    # Without FastAPI's own 422 too, which is no problem as RFC 9457 has it.
    operation["responses"] = answers = {s: a for s, a in answers.items() if int(s) < 400}
    for status in sorted(statuses):
        answers[str(status)] = {"$ref": f"#/components/responses/{name(status)}"}


def _following(path: str, method: str, operation: Answer) -> set[int]:
    found = set(_ANYWHERE)
    if "security" in operation:
        found |= _KEYED if method == "get" else _KEYED | {403, 507}
    if "{" in path:
        found |= {404}
    if "requestBody" in operation:
        found |= _BODY
    if any(parameter["in"] != "path" for parameter in operation.get("parameters", ())):
        found |= {422}
    return found
