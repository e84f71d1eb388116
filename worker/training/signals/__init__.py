"""What is measured of a run while it trains, in the words of `diagnosis.run.signals`."""
