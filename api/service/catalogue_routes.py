"""What can be run, and by whom, and what is stored of it."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api.auth import storage
from api.auth.caller import AppCaller
from api.dependencies import AppDatabase, AppSettings
from api.http import pages
from api.jobs import live_workers
from api.jobs.recipes import DESCRIPTIONS, RECIPES
from api.service import responses, worker_queries
from contract.errors import NotFound

router = APIRouter(prefix="/v1", tags=["catalogue"])


@router.get("/recipes")
def list_recipes() -> pages.Page[responses.Recipe]:
    """Experiments that are ready to be posted."""
    data = [
        responses.Recipe(
            name=name,
            description=DESCRIPTIONS[name],
            url=f"/v1/recipes/{name}",
            spec=json.loads(text),
        )
        for name, text in RECIPES.items()
    ]
    return pages.Page(data=data, has_more=False)


@router.get("/recipes/{name}", response_model=dict[str, Any])
def get_recipe(name: str) -> Response:
    """The bare experiment: POST it to /v1/jobs as it is."""
    if name not in RECIPES:
        raise NotFound(f"There is no recipe {name}; there are {', '.join(RECIPES)}.")
    return Response(RECIPES[name], media_type="application/json")


@router.get("/workers")
def list_workers(
    page: Annotated[worker_queries.WorkerPage, Query()],
    caller: AppCaller,
    database: AppDatabase,
    settings: AppSettings,
) -> pages.Page[responses.Worker]:
    """Runs of worker processes, newest first, those that have ended too."""
    with database.reading() as session:
        rows, has_more = worker_queries.workers(session, page)
        alive = {worker.id for worker in live_workers.alive(session.connection(), settings)}
        busy = worker_queries.busy_slots(session, [row.id for row in rows])
    hidden = {} if "admin" in caller.scopes else {"host": None, "pid": None}
    data = [
        responses.Worker(
            alive=row.id in alive, busy=busy.get(row.id, 0), **(row.model_dump() | hidden)
        )
        for row in rows
    ]
    return pages.Page(data=data, has_more=has_more)


@router.get("/usage")
def get_usage(caller: AppCaller, database: AppDatabase, settings: AppSettings) -> storage.Usage:
    """How much the caller stores, how much may be stored, and what to delete to store less."""
    with database.reading() as session:
        return storage.usage(session, caller, settings)
