"""What any HTTP service needs: problems, bodies, headers, entity tags, threads.

Nothing here is about training: no job, no dataset, no sweep.
"""
