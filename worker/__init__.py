"""The worker: a Celery worker with warm trainer processes. It serves no HTTP."""
