"""The slots of a worker, their trainer processes, and the worker's row."""
