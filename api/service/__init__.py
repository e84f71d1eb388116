"""The service itself: home, health, readiness, metrics, recipes, workers, usage, and /docs."""
