"""One API on each kind of database for all tests that speak HTTP, empty before each."""

from collections.abc import Iterator

import pytest

from tests import jobs, services
from tests.served import Api, serving, settings_for


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("served")
    if request.param == "sqlite":
        with serving(settings_for(f"sqlite:///{folder / 'plateau.db'}", folder)) as api:
            yield api
    else:
        server: services.Server = request.getfixturevalue("postgres_server")
        with (
            services.fresh_database(server, "served") as url,
            serving(settings_for(url, folder)) as api,
        ):
            yield api


@pytest.fixture
def api(served: Api) -> Api:
    jobs.clear(served.database)
    return served


@pytest.fixture(scope="session")
def guarded(served: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A second API on the same database, which wants keys."""
    url = served.settings.database_url
    folder = tmp_path_factory.mktemp("guarded")
    with serving(settings_for(url, folder, auth="keys", requests_per_second=10_000)) as api:
        yield api


@pytest.fixture
def keyed(guarded: Api) -> Api:
    jobs.clear(guarded.database)
    return guarded
