"""One run, start to end: an experiment and callables in, numbers out."""
