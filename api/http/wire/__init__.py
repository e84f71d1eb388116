"""HTTP/1.1 on the socket, below ASGI: what is read, what is sent, and the bounds of both.

What a request means is not known here.
"""
