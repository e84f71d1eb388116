"""What a promise is put to the test on: databases, brokers and folders of its own."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from tests import jobs, processes, services
from tests.chaos.broker import Broker
from tests.chaos.keeper import Keeper
from tests.sites import FAKE, Site, site_on

Kind = Literal["embedded", "services"]


@dataclass
class Stage:
    """`broker` is None with the one inside the worker; `patience` is how many seconds to wait for
    what must happen."""

    site: Site
    seed: str
    broker: Broker | None
    patience: float

    def keeper(self) -> Keeper:
        return Keeper(self.site)

    def submit(self, number: int, **more: Any) -> str:
        """A new job, stored as the API would; see `experiment`."""
        return self.site.submit(experiment(f"job-{number}", seed=number, **more))

    def wait_for(self, what: str, *job_ids: str) -> None:
        """Until the jobs have ended."""
        ended = set(job_ids)
        processes.wait_for(what, lambda: ended <= self.site.ended(), self.patience)


@contextmanager
def stage(
    kind: Kind,
    seed: str,
    folder: Path,
    postgres: services.Server | None = None,
    *,
    patience: float = 600.0,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Stage]:
    """Empty: SQLite and the in-process broker, or a database of `postgres` and a Redis."""
    environment = {**FAKE, **(environment or {})}
    with ExitStack() as stack:
        if kind == "embedded":
            url, broker, broker_url = f"sqlite:///{folder}/plateau.sqlite3", None, "memory://"
        else:
            assert postgres is not None, "services are Postgres and Redis"
            url = stack.enter_context(services.fresh_database(postgres, f"chaos_{uuid4().hex}"))
            broker = stack.enter_context(Broker(folder))
            broker_url = broker.url
        site = stack.enter_context(site_on(url, broker_url, folder, **environment))
        yield Stage(site, seed, broker, patience)


def experiment(name: str, *, seed: int = 0, epochs: int = 20) -> dict[str, Any]:
    """A body for POST."""
    spec = jobs.experiment(name=name).model_dump(mode="json", exclude_unset=True)
    spec["training"] |= {"seed": seed, "epochs": epochs, "batch_size": 4}
    return spec
