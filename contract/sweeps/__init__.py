"""A sweep: what it varies, what is asked of it, and its life."""
