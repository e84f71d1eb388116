"""The JSON that a user writes: dataset, layers, optimizer, loss, training.

What it costs is in `contract.sizing`.
"""
