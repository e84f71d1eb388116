"""A run as the diagnosis sees it: experiment, network, signals, curve, baselines."""
