"""The REST API: a package for each feature, and for what any HTTP service needs.

What is agreed with the worker lives in `contract`. TensorFlow is never loaded here.
"""
