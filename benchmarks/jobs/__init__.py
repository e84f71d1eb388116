"""What a job costs around its training: `python -m benchmarks.jobs`."""
