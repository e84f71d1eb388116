"""The ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute

from api import outages, parameters, problems
from api.bell import Bell
from api.body import BodyLimit
from api.callers import authenticated, keys_needed
from api.door import Door
from api.drawn import Drawn
from api.feed import Feed
from api.head import HeadAsGet
from api.headers import SecurityHeaders
from api.intake import Intake
from api.keyring import Keyring
from api.limits import Streams
from api.lockout import Lockout
from api.metrics import DatabaseMetrics
from api.observed import Observed
from api.openapi.document import FACTS, Described
from api.polls import Answers
from api.readiness import Readiness
from api.request_metrics import RequestMetrics
from api.routers import (
    catalogue,
    compare,
    datasets,
    diagnosis,
    events,
    health,
    home,
    jobs,
    metrics,
    results,
    signals,
    sweeps,
)
from api.submissions import Submissions
from api.threads import InTime, Threads
from contract.artifacts import ArtifactStore
from contract.database import Database
from contract.settings import Settings

_GUARDED = (
    jobs,
    sweeps,
    events,
    results,
    signals,
    diagnosis,
    compare,
    datasets,
    catalogue,
    metrics,
)
_PUBLIC = (health, home)
VERSION = "0.1.0"


def create_app(settings: Settings) -> FastAPI:
    """The API on `settings`; what it opens is open while the app's lifespan lasts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        _open(app, settings)
        intake = Intake(settings, app.state.database, app.state.store)
        async with Feed(app.state.database).running() as app.state.feed:
            lockout = Lockout(app.state.database, app.state.streams, app.state.feed.wake)
            async with lockout.running():
                with intake.running() as app.state.intake:
                    yield
        app.state.submissions.close()
        app.state.readiness.close()
        app.state.bell.close()
        app.state.database.dispose()

    app = Described(
        **FACTS,
        version=VERSION,
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
        openapi_url=None,  # served by api.routers.home, as all else
        docs_url=None,  # ours loads nothing from elsewhere: api.docs
        redoc_url=None,
    )
    _guard(app, settings)
    problems.install(app)
    outages.install(app)
    app.state.routes = []
    for module in (*_GUARDED, *_PUBLIC):
        known = [Depends(authenticated)] if module in _GUARDED else []
        app.include_router(module.router, dependencies=[*known, Depends(parameters.check)])
        app.state.routes += module.router.routes
    return app


def _guard(app: FastAPI, settings: Settings) -> None:
    """What each request passes on its way in, the last one first."""
    app.state.request_metrics = RequestMetrics()
    app.state.database_metrics = DatabaseMetrics()
    app.add_middleware(InTime)
    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(Door, settings=settings)
    app.add_middleware(Observed, metrics=app.state.request_metrics)
    app.add_middleware(SecurityHeaders)


def _open(app: FastAPI, settings: Settings) -> None:
    """What all requests share."""
    app.state.settings = settings
    app.state.keys_needed = keys_needed(settings)
    app.state.database = Database(settings.database_url)
    app.state.store = ArtifactStore(settings.artifacts_url)
    app.state.bell = Bell(settings)
    app.state.readiness = Readiness(app.state.database, app.state.bell.app)
    app.state.threads = Threads()
    app.state.keyring = Keyring(
        app.state.database, app.state.threads.run, settings.requests_per_second
    )
    app.state.streams = Streams(settings.max_streams)
    app.state.answers = Answers()
    app.state.drawn = Drawn()
    app.state.submissions = Submissions(app.state.database, settings)


def _operation_id(route: APIRoute) -> str:
    return route.name
