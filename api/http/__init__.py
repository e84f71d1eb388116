"""What any HTTP service needs: problems, bodies, headers, entity tags, threads.

Nothing here is about training, but that errors of a body are told in the words of its spec.
"""
