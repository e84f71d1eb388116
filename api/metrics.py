"""What Prometheus is told: how requests went in this process, and the state of the service."""

import asyncio
import logging
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api import figures
from contract.database import Database
from contract.settings import Settings

log = logging.getLogger(__name__)

# Prometheus itself waits for 10 s, and then has nothing at all.
_DATABASE_SECONDS = 3.0
_LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Methods are the client's words: what is none of these must not make a series of its own.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """An app's own: several apps in one process do not mix their numbers."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._latency = Histogram(
            "plateau_http_request_seconds",
            "Time until an answer begins. Long polls are a route of their own.",
            ("method", "route", "status"),
            buckets=_LATENCIES,
            registry=self._registry,
        )
        self._counts = figures.Counts()
        self._known: dict[tuple[str, str, int], Histogram] = {}
        self.streams = Gauge(
            "plateau_open_streams", "Event streams that are open now.", registry=self._registry
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer; `route` is the template of a path, of which there are few."""
        key = (method, route, status // 100)
        if (histogram := self._known.get(key)) is None:
            known = method if method in _METHODS else "other"
            histogram = self._known[key] = self._latency.labels(known, route, f"{key[2]}xx")
        histogram.observe(seconds)

    async def text(self, database: Database, settings: Settings) -> bytes:
        """In Prometheus' text format. Without its database the service still has the rest."""
        try:
            reading = asyncio.to_thread(figures.read, database, settings, self._counts)
            found = await asyncio.wait_for(reading, _DATABASE_SECONDS)
        except Exception as error:
            log.warning("metrics without the database's: %s: %s", type(error).__name__, error)
            found = []
        up = GaugeMetricFamily("plateau_database_up", "1 if the figures of the database are here.")
        up.add_metric([], 1 if found else 0)
        return generate_latest(self._registry) + generate_latest(_registry_of([up, *found]))


def _registry_of(families: list[Metric]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Read(families))
    return registry


class _Read(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)
