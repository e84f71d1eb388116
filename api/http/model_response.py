"""A model as a response, rendered where this is called: what is large, in a thread."""

from fastapi import Response
from pydantic import BaseModel


def rendered(model: BaseModel) -> Response:
    """With status 200. FastAPI itself would render what a handler returns on the event loop."""
    return Response(model.model_dump_json(), media_type="application/json")
