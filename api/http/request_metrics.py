"""How requests went in this process, for Prometheus."""

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector, generate_latest

_LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Methods are the client's words: what is none of these must not make a series of its own.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMetrics:
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
        self.streams = Gauge(
            "plateau_open_streams", "Event streams that are open now.", registry=self._registry
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer; `route` is the template of a path, of which there are few."""
        known = method if method in _METHODS else "other"
        self._latency.labels(known, route, f"{status // 100}xx").observe(seconds)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
