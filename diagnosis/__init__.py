"""Why a run learned or did not: numbers in, causes out.

Pure functions of the standard library, and of what a model's graph and a JSON pointer are
(`contract.experiment.graph`, `contract.experiment.pointers`).
"""
