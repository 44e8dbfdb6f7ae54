"""`otel-fe demo`: runs the example service under load, receives its OTLP over a socket, and reports on it."""
