"""What a run leaves behind: results, curves in four formats, the model."""

import csv
import io
import logging
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from api.dependencies import AppDatabase, Store
from api.http import json_numbers
from api.http.model_response import rendered
from api.http.threads import in_threads, run_in
from api.jobs import queries as job_queries
from api.jobs.dependencies import EndedJob, JobById
from api.openapi import responses as openapi_responses
from api.results import charts, curve_lines, render
from api.results import responses as results_responses
from api.results.chart_cache import Drawn
from api.results.thinning import thinned
from contract.errors import Gone, NotFound, Unavailable
from contract.experiment.datasets import facts_for
from contract.jobs.results import chance_of
from contract.jobs.signals import first_losses
from contract.jobs.variants import experiment_of
from contract.store.artifacts import ArtifactDamaged, ArtifactStore
from contract.store.database import Database
from contract.store.tables import Job, Result

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["results"])

log = logging.getLogger(__name__)
_BLOCK = 1 << 18
_FILE: openapi_responses.Answers = {
    **openapi_responses.file("application/octet-stream", "The file."),
    409: {},
    410: {},
}


# More than a screen has columns of pixels, for each of ten metrics.
_POINTS = 10_000
Points = Annotated[
    int, Query(ge=100, le=100_000, description="of a curve at most; see what is kept of more")
]


async def _drawn(request: Request) -> Drawn:
    drawn: Drawn = request.app.state.drawn
    return drawn


AppDrawn = Annotated[Drawn, Depends(_drawn)]


@router.get("/results", response_model=results_responses.Results, responses={409: {}})
@in_threads("working")
def get_results(job: EndedJob, database: AppDatabase) -> Response:
    """The whole outcome in one object; 409 with Retry-After until the job has ended."""
    with database.reading() as session:
        result = session.get(Result, job.id)
        losses = first_losses(session, job.id)
        epochs = job_queries.epochs(session, job.id)
    return rendered(render.results(job, result, epochs, losses))


@router.get("/curves", response_model=results_responses.Curves)
@in_threads("working")
def get_curves(job: JobById, database: AppDatabase, points: Points = _POINTS) -> Response:
    """The epochs so far, and the first steps.

    Of more epochs than `points` those are left out that a picture would not show: the first and
    the last stay, and in each of equal stretches the lowest and the highest value of each metric.
    `curves.csv` has them all.
    """
    with database.reading() as session:
        losses = first_losses(session, job.id)
    shown = {
        "job": job.id,
        "status": job.status,
        "curves": thinned(_columns(job, database), points),
        "first_losses": losses,
    }
    return rendered(results_responses.Curves.model_validate(shown))


@router.get(
    "/curves.csv",
    response_class=Response,
    responses=openapi_responses.file("text/csv", "A line an epoch, under a header."),
)
@in_threads("working")
def get_curves_csv(job: JobById, database: AppDatabase) -> Response:
    """The epochs so far, a line each under a header."""
    columns = _columns(job, database)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8")


@router.get(
    "/curves.png",
    response_class=Response,
    responses=openapi_responses.file("image/png", "A picture."),
)
async def get_curves_png(job: JobById, database: AppDatabase, drawn: AppDrawn) -> Response:
    """The epochs so far as a picture: loss, and accuracy (R2 for regression)."""
    return Response(await _picture(job, database, drawn, "png"), media_type="image/png")


@router.get(
    "/curves.svg",
    response_class=Response,
    responses=openapi_responses.file("image/svg+xml", "A picture."),
)
async def get_curves_svg(job: JobById, database: AppDatabase, drawn: AppDrawn) -> Response:
    """The same picture as SVG."""
    return Response(await _picture(job, database, drawn, "svg"), media_type="image/svg+xml")


@router.get("/model", response_class=Response, responses=_FILE)
def get_model(job: EndedJob, database: AppDatabase, store: Store) -> Response:
    """The trained `.keras` file, byte for byte as results.artifacts.model.sha256 says."""
    return _artifact(job, "model", f"{job.id}.keras", database, store)


@router.get("/scaling", response_class=Response, responses=_FILE)
def get_scaling(job: EndedJob, database: AppDatabase, store: Store) -> Response:
    """How the model's inputs and targets follow from the data's own: (value - offset) / scale.

    An npz of input_offset, input_scale, target_offset and target_scale: each one number for all, or
    one for each feature or target.
    """
    return _artifact(job, "scaling", f"{job.id}.scaling.npz", database, store)


def _artifact(
    job: Job, name: str, filename: str, database: Database, store: ArtifactStore
) -> Response:
    with database.reading() as session:
        result = session.get(Result, job.id)
    kept = result.artifacts.get(name) if result else None
    if kept is None and result is not None and not result.artifacts:
        raise Gone(f"The {name} of {job.id} was not kept after its time: retry the job.")
    if kept is None:
        raise NotFound(f"{job.id} left no {name}: it is {job.status}.")
    headers = {
        "Content-Length": str(kept["bytes"]),
        "Content-Disposition": f'attachment; filename="{filename}"',
    }
    blocks = _blocks(store, kept["key"], kept["bytes"], name)
    return StreamingResponse(blocks, headers=headers, media_type="application/octet-stream")


def _columns(job: Job, database: Database) -> dict[str, list[json_numbers.Number]]:
    with database.reading() as session:
        return render.curves(job_queries.epochs(session, job.id))


async def _picture(
    job: Job, database: Database, drawn: Drawn, format_: curve_lines.Format
) -> bytes:
    """At once if it was drawn before."""
    draw = partial(_draw, job, database, format_)
    if (kept := drawn.picture(job, format_)) is not None:
        return kept
    return await run_in("drawing", partial(drawn.drawn, job, format_, draw))


def _draw(job: Job, database: Database, format_: curve_lines.Format) -> bytes:
    with database.reading() as session:
        facts = facts_for(experiment_of(job).dataset, job.upload)
        chance = chance_of(facts, session.get(Result, job.id))
    run = curve_lines.Run(job.name, _columns(job, database), chance)
    return charts.draw([run], format_, title=f"{job.name} ({job.status})")


def _blocks(store: ArtifactStore, key: str, size: int, name: str) -> Iterator[bytes]:
    """Reads a block ahead: NotFound and Unavailable are raised before the answer begins."""

    def read() -> Iterator[bytes]:
        with store.open(key, size) as file:
            yield from iter(partial(file.read, _BLOCK), b"")

    blocks = read()
    try:
        return chain([next(blocks, b"")], blocks)
    except FileNotFoundError:
        raise NotFound(
            f"The {name} is not in the artifact store any more: retry the job."
        ) from None
    except ArtifactDamaged as damage:
        raise NotFound(f"The {name} is damaged ({damage}): retry the job.") from damage
    except OSError as error:
        log.error("%s: %s", key, error)
        raise Unavailable("The artifact store does not answer: try again.", 10) from error
