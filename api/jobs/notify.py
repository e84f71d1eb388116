"""Notifies the broker of new jobs, after the commit and after the response is sent."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from contract.settings import Settings

if TYPE_CHECKING:
    from celery import Celery


class Notifier:
    """Silent with the embedded broker: that one lives in the worker, which looks for itself."""

    def __init__(self, settings: Settings) -> None:
        self.app = None if settings.embedded_broker else _celery_app(settings)
        # Into a dead network it takes seconds: in threads of its own, no handler waits for it.
        self._threads = ThreadPoolExecutor(4, "notifier")

    async def notify(self, job_id: str, device: str) -> None:
        """Tell a worker; a message that is lost costs time, and never the job."""
        if self.app is not None:
            from contract.jobs.broker import notify

            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._threads, notify, self.app, job_id, device)

    def close(self) -> None:
        """Drop the messages that were not sent, and leave the broker."""
        self._threads.shutdown(cancel_futures=True)
        if self.app is not None:
            self.app.close()


def _celery_app(settings: Settings) -> "Celery":
    # Late: without a broker to notify, Celery's 6 MB are not needed.
    from contract.jobs.broker import celery_app

    return celery_app(settings)
