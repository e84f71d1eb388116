"""Datasets: what a spec may name, the catalogue's and one's own."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from pydantic import BaseModel, Field

from api.auth.caller import AppCaller
from api.auth.quotas import Place
from api.datasets import access as datasets
from api.datasets import queries as dataset_queries
from api.datasets import render as dataset_render
from api.datasets import responses as dataset_responses
from api.datasets.dependencies import AppIntake
from api.datasets.reading.formats import FORMATS, Media
from api.datasets.reading.options import Wanted
from api.datasets.upload import Sent
from api.dependencies import AppDatabase, AppSettings, Store
from api.http import pages
from api.http.request_body import allow_upload
from api.http.threads import in_threads
from api.openapi import responses as openapi_responses
from contract.experiment.datasets import CATALOGUE, TEST_SHARE, Task
from contract.experiment.spec import Name

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

# None may be sent across origins unasked, so no web page can upload (see api.http.request_body).
_MEDIA: dict[str, Media | None] = {
    media_type: name for name, known in FORMATS.items() for media_type in known.media_types
} | {"application/octet-stream": None}
_BODY: dict[str, Any] = {
    "requestBody": {
        "description": "The file's bytes. `application/octet-stream` is looked at to tell which.",
        "required": True,
        "content": {
            name: {"schema": {"type": "string", "format": "binary"}} for name in _MEDIA
        },
    }
}  # fmt: skip
DatasetId = Annotated[
    str, Path(description="id of an upload, or a name of the catalogue", examples=["digits"])
]


class Description(BaseModel):
    """What the sender says of an upload."""

    name: Annotated[Name, Field(description="to recognise it by", examples=["flowers"])]
    label: Annotated[
        list[str],
        Field(
            max_length=1000,
            description="of a csv: the column to predict; several, said again for each",
            examples=[["species"]],
        ),
    ] = []
    task: Annotated[Task | None, Field(description="seen from the labels unless told")] = None
    test_fraction: Annotated[
        float,
        Field(gt=0, lt=1, description="held out for testing, where the file has no test part"),
    ] = TEST_SHARE


@router.post(
    "",
    status_code=201,
    openapi_extra=_BODY,
    responses=openapi_responses.created("The dataset, checked."),
)
async def create_dataset(
    description: Annotated[Description, Query()],
    caller: AppCaller,
    intake: AppIntake,
    request: Request,
    response: Response,
) -> dataset_responses.KnownDataset:
    """Upload a csv with a header, or an npz of x and y, or of x_train, y_train, x_test, y_test.

    It is read without pickle, checked, and kept as an npz; `report` says what was found. A spec
    names it by its `id`.
    """
    media = _media(request.headers.get("content-type", ""))
    allow_upload(request)
    wanted = Wanted(tuple(description.label), description.task, description.test_fraction)
    length = request.headers.get("content-length", "")
    told = int(length) if length.isdecimal() else None
    sent = Sent(description.name, media, wanted, caller, told)
    with request.app.state.streams.uncounted(caller) as place:
        row = await intake.take(_checked(request.stream(), place), sent)
    view = dataset_render.dataset(row)
    response.headers["Location"] = view.urls.self
    return view


@router.get("")
def list_datasets(
    wanted: Annotated[dataset_queries.DatasetPage, Query()],
    caller: AppCaller,
    database: AppDatabase,
    settings: AppSettings,
) -> pages.Page[dataset_responses.KnownDataset]:
    """The caller's uploads, newest first, and then the catalogue; nothing is loaded for it."""
    with database.reading() as session:
        return datasets.page(session, caller.owner, wanted, settings)


@router.get("/{dataset_id}")
def get_dataset(
    dataset_id: DatasetId, caller: AppCaller, database: AppDatabase, settings: AppSettings
) -> dataset_responses.KnownDataset:
    """An upload with all that was found in it, or a set of the catalogue."""
    if dataset_id in CATALOGUE:
        return dataset_render.catalogued(dataset_id, settings)
    with database.reading() as session:
        return dataset_render.dataset(datasets.find(session, dataset_id, caller.owner))


@router.delete("/{dataset_id}", status_code=204, response_class=Response, responses={409: {}})
@in_threads("writing")
def delete_dataset(
    dataset_id: DatasetId, caller: AppCaller, database: AppDatabase, store: Store
) -> None:
    """Delete an upload; 409 while jobs that have not ended use it, and for the catalogue.

    Jobs that have ended keep their results; to run one again is then 409.
    """
    with database.writing() as session:
        row = datasets.delete(session, dataset_id, caller.owner)
    datasets.discard(store, row.key)


async def _checked(blocks: AsyncIterable[bytes], place: Place) -> AsyncIterator[bytes]:
    """Raises Unauthorized once the key has ended that an upload came with."""
    async for block in blocks:
        place.check()
        yield block


def _media(content_type: str) -> Media | None:
    given = content_type.partition(";")[0].strip().lower()
    if given not in _MEDIA:
        raise HTTPException(
            415,
            f"expected Content-Type {', '.join(_MEDIA)}; received {given or 'none'} (with curl: "
            "-H 'Content-Type: text/csv' --data-binary @file, not -d, which removes line breaks)",
        )
    return _MEDIA[given]
