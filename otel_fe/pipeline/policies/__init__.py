"""The policies of tail sampling, evaluated: one file per kind; `factory.py` makes them from their settings."""
