"""Datasets: uploaded, listed, deleted, and which of them a caller may name.

How bytes become arrays is in `api.datasets.reading`.
"""
