"""The policies of tail sampling, evaluated: one file a kind, `compiled` makes them from their settings."""
