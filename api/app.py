"""The ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute

from api.auth.caller import authenticated, keys_needed
from api.auth.key_lookup import Keyring
from api.auth.quotas import Streams
from api.auth.revocation import Lockout
from api.datasets import routes as datasets
from api.datasets.upload import Intake
from api.diagnosis import compare_routes as compare
from api.diagnosis import routes as diagnosis
from api.http import outages, problems, query_parameters
from api.http.access_log import Observed
from api.http.admission import Door
from api.http.head_method import HeadAsGet
from api.http.request_body import BodyLimit
from api.http.request_metrics import RequestMetrics
from api.http.security_headers import SecurityHeaders
from api.http.threads import InTime, Threads
from api.jobs import event_routes as events
from api.jobs import poll
from api.jobs import routes as jobs
from api.jobs.event_feed import Feed
from api.jobs.notify import Notifier
from api.openapi.document import FACTS, Described
from api.results import routes as results
from api.results import signal_routes as signals
from api.results.chart_cache import Drawn
from api.service import catalogue_routes as catalogue
from api.service import health_routes as health
from api.service import home_routes as home
from api.service import metrics_routes as metrics
from api.service.prometheus import DatabaseMetrics
from api.service.readiness import Readiness
from api.sweeps import routes as sweeps
from contract.settings import Settings
from contract.store.artifacts import ArtifactStore
from contract.store.database import Database

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
        app.state.readiness.close()
        app.state.notifier.close()
        app.state.database.dispose()

    app = Described(
        **FACTS,
        version=VERSION,
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
        openapi_url=None,  # served by api.service.home_routes, as all else
        docs_url=None,  # ours loads nothing from elsewhere: api.service.docs_page
        redoc_url=None,
    )
    _guard(app, settings)
    problems.install(app)
    outages.install(app)
    app.state.routes = []
    for module in (*_GUARDED, *_PUBLIC):
        known = [Depends(authenticated)] if module in _GUARDED else []
        app.include_router(module.router, dependencies=[*known, Depends(query_parameters.check)])
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
    app.state.notifier = Notifier(settings)
    app.state.readiness = Readiness(app.state.database, app.state.notifier.app)
    app.state.threads = Threads()
    app.state.bodies = poll.Bodies()
    look = partial(app.state.threads.run, "lookup")
    app.state.keyring = Keyring(app.state.database, look, settings.requests_per_second)
    app.state.streams = Streams(settings.max_streams)
    app.state.drawn = Drawn()


def _operation_id(route: APIRoute) -> str:
    return route.name
