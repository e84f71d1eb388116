"""Database, tables, clock, and artifact store: where everything is kept, and how.

What may change when is not decided here: see `contract.jobs`, `contract.proofs`, `contract.sweeps`.
"""
