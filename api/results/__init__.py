"""What a run leaves behind: results, curves, pictures, signals, files.

The verdict is only shown here; `api.diagnosis` explains it.
"""
