"""What otel_fe costs, measured beside the alternatives; `make bench`, see README.md here."""
