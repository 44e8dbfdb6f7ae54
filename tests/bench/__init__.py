"""The cost of otel_fe, measured beside the alternatives; `make bench`, see README.md here."""
