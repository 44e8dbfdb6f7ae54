"""The `span_metrics` connector: calls, durations and events of spans, by dimensions."""
