"""Who asks: keys, what an owner may have and store, how fast someone may ask.

What is asked for is not known here.
"""
