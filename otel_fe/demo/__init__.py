"""`otel-fe demo`: the example service under load, its OTLP received over a socket, and what that says."""
