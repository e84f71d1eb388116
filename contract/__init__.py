"""What the API and the worker must agree on. It depends on neither, and loads no TensorFlow."""
