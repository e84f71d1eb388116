"""Two runs: which difference explains how they ended."""
