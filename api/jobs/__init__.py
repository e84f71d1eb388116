"""Jobs: posted, listed, polled, followed by events, cancelled, run again, deleted.

What a run leaves behind is in `api.results`, why it failed in `api.diagnosis`.
"""
