"""A plain Celery task around the same script, its broker and results in BENCHMARK_REDIS_URL."""

import os

from celery import Celery

URL = os.environ.get("BENCHMARK_REDIS_URL", "memory://")
app = Celery("plain", broker=URL, backend=URL)


@app.task
def fit(file: str, epochs: int, seed: int) -> list[float]:
    """The test accuracy of each epoch; TensorFlow is loaded with the process's first task."""
    from benchmarks.jobs.script import train

    return train(file, epochs, seed)
