"""otel_fe's own tracer, span, processor and export, and the metrics that it hands to the SDK's readers."""
