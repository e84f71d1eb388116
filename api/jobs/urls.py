"""Where what belongs to a job can be asked for."""

from pydantic import BaseModel, Field


def url(job_id: str, *rest: str) -> str:
    """The path of a job, or of what is below it."""
    return "/".join(("/v1/jobs", job_id, *rest))


def urls(job_id: str) -> dict[str, str]:
    """All of `JobUrls`."""
    return {"self": url(job_id)} | {name: url(job_id, path) for name, path in _RELATED.items()}


class JobUrls(BaseModel):
    """Paths on this server."""

    self: str = Field(description="GET: the job as it is now")
    results: str
    curves: str
    curves_csv: str = Field(description="GET: all epochs as a table")
    curves_png: str = Field(description="GET: a picture of them")
    curves_svg: str = Field(description="GET: the same as SVG")
    signals: str
    events: str
    cancel: str
    retry: str
    model: str
    scaling: str = Field(description="GET: how the model's inputs are scaled")
    diagnosis: str = Field(description="GET: why it failed, and the proof")
    repairs: str = Field(description="POST: prove them; GET: how far that is")


# curves_csv is at curves.csv.
_RELATED = {name: name.replace("_", ".") for name in JobUrls.model_fields if name != "self"}
