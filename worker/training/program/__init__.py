"""An experiment's model, optimizer and graphs, built once and kept for runs like it."""
