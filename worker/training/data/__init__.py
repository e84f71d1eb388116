"""From a dataset's name or file to the arrays that a run trains on."""
