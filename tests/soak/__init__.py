"""A collector under everything at once, for minutes or hours: see `soak`."""
