"""Rings for new jobs, after their commit and behind the answer's back."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from contract.settings import Settings

if TYPE_CHECKING:
    from celery import Celery


class Bell:
    """Silent with the embedded broker: that one lives in the worker, whose sweeper rings."""

    def __init__(self, settings: Settings) -> None:
        self.app = None if settings.embedded_broker else _celery_app(settings)
        # A ring into a dead network takes seconds: in threads of its own, no handler waits for it.
        self._threads = ThreadPoolExecutor(4, "bell")

    async def ring(self, job_id: str, device: str) -> None:
        """Tell a worker; a lost ring is made good by the worker's sweeper."""
        if self.app is not None:
            from contract.jobs.broker import ring

            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._threads, ring, self.app, job_id, device)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        if self.app is not None:
            self.app.close()


def _celery_app(settings: Settings) -> "Celery":
    # Late: without a broker to ring at, Celery's 6 MB are not needed.
    from contract.jobs.broker import celery_app

    return celery_app(settings)
