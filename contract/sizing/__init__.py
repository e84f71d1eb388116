"""What an experiment costs, and what is refused before it is stored."""
