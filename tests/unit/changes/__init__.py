"""Tests of otel_fe.changes."""
