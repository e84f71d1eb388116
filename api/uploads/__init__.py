"""Uploaded datasets: from a received file of any bytes to what can be trained on, or a refusal."""

from api.uploads.choices import Limits, Media, Wanted
from api.uploads.report import Report

__all__ = ["Limits", "Media", "Report", "Wanted"]
