"""Which repairs are tried, how their runs are judged, and what is concluded."""
