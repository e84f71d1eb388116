"""How fast one core trains, this way and that: `python -m benchmarks.training`."""
