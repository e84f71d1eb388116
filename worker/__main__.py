"""`python -m worker`: a Celery worker with warm trainers, until SIGTERM or Ctrl-C."""

import logging
import sys
import warnings
from contextvars import copy_context

from celery import signals
from celery.platforms import SecurityWarning
from sqlalchemy.exc import DBAPIError

from contract import logs
from contract.environment import warn_of_unknown_settings
from contract.jobs.broker import TASK, celery_app, queue_name
from contract.settings import read_settings
from contract.store.revision import OtherSchema
from worker.job.commit import told
from worker.node import Node
from worker.pool.trainer_process import TrainerDied


def main() -> int:
    """Work until SIGTERM or SIGINT; returns the exit status."""
    settings = read_settings()
    logs.configure(settings, "worker")
    warn_of_unknown_settings()
    for told_better_by_us in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(told_better_by_us).setLevel(logging.WARNING)
    # As root it warns of pickled messages; ours are JSON, and no others are taken.
    warnings.simplefilter("ignore", SecurityWarning)
    app = celery_app(settings)
    node = Node(settings, app)

    @app.task(name=TASK)
    def train(job_id: str) -> None:
        copy_context().run(node.train, job_id)  # what is bound in it ends with it

    signals.worker_ready.connect(lambda **_: node.watch_queue(), weak=False)
    signals.worker_shutting_down.connect(lambda **_: node.drain(), weak=False)
    try:
        node.open()
        worker = app.Worker(
            pool="threads",
            concurrency=node.slots.count,
            queues=[queue_name(device) for device in node.queues],
            loglevel=settings.log_level,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            quiet=True,
        )
        worker.start()
    except TrainerDied as death:
        logging.critical("%s", death)
        return 1
    except (DBAPIError, OtherSchema) as error:
        logging.critical("the database is not ready: %s", told(error))
        return 1
    finally:
        node.close()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
