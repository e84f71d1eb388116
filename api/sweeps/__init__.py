"""Sweeps: posted, listed, shown as a table, cancelled.

What is tried next is decided by the worker (`worker.duties.advance_sweeps`).
"""
