"""The state of the service for Prometheus, as its database has it."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.service import figures
from contract.settings import Settings
from contract.store.database import Database

log = logging.getLogger(__name__)

# Prometheus itself waits for 10 s, and then has nothing at all.
_DATABASE_SECONDS = 3.0


class DatabaseMetrics:
    """An app's own: what was counted so far is counted on."""

    def __init__(self) -> None:
        self._counts = figures.Counts()

    async def text(self, database: Database, settings: Settings) -> bytes:
        """In Prometheus' text format: without the database, that it is away."""
        try:
            reading = asyncio.to_thread(figures.read, database, settings, self._counts)
            found = await asyncio.wait_for(reading, _DATABASE_SECONDS)
        except Exception as error:
            log.warning("metrics without the database's: %s: %s", type(error).__name__, error)
            found = []
        about = "1 if the figures of the database are here."
        up = GaugeMetricFamily("plateau_database_up", about, 1 if found else 0)
        registry = CollectorRegistry()
        registry.register(_Read([up, *found]))
        return generate_latest(registry)


@dataclass(eq=False)
class _Read(Collector):
    families: list[Metric]

    def collect(self) -> Iterator[Metric]:
        return iter(self.families)
