"""A job's life: created, claimed, reported on, ended; each change is one conditional UPDATE."""
