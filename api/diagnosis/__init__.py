"""Why a run failed, the proof of it, and two jobs side by side, over HTTP.

The reasons themselves are found in the package `diagnosis`.
"""
