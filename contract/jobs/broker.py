"""The broker: Celery carries a job's id to a worker, zero, one or many times.

The database is the queue and the truth. A message that is lost is made good by the workers, which
look at the queue themselves; one too many finds the job taken.
"""

import logging

from celery import Celery
from kombu.exceptions import OperationalError

from contract.settings import Settings

log = logging.getLogger(__name__)

TASK = "plateau.train"
# With Redis these bound how long a POST waits for a broker that is out of order.
_REDIS = {
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
    "connect_retries_timeout": 1,
    "interval_start": 0.2,
    "interval_step": 0.2,
}
_EMBEDDED = {"polling_interval": 0.01}


def celery_app(settings: Settings) -> Celery:
    """The Celery app that both sides configure alike."""
    # Named, because kombu warns of a broker without a host, and the embedded one has none.
    url = "memory://embedded" if settings.embedded_broker else settings.broker_url
    app = Celery("plateau", broker=url)
    app.conf.update(
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=False,  # the database recovers a job, not the broker's redelivery
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=_EMBEDDED if settings.embedded_broker else _REDIS,
        task_create_missing_queues=True,
    )
    return app


def queue_name(device: str) -> str:
    """The Celery queue of the jobs that ask for `device` (cpu, gpu or any)."""
    return f"plateau.{device}"


def notify(app: Celery, job_id: str, device: str) -> None:
    """Tell a worker about a queued job; a broker that is down is logged, never an error."""
    try:
        app.send_task(TASK, args=[job_id], queue=queue_name(device), retry=False)
    except (OperationalError, OSError) as error:
        log.warning("could not notify a worker of %s, one will find it: %s", job_id, error)
