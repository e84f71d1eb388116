"""One run, start to end: an experiment and callables in, numbers out.

Neither the queue nor the database is known here.
"""
