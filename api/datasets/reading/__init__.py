"""Uploaded datasets: from a received file of any bytes to what can be trained on, or a refusal.

Nothing of HTTP or of the database is known here.
"""
