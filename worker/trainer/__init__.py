"""A trainer process (`python -m worker.trainer`): takes orders, trains, reports.

What training is, is in `worker.training`.
"""
