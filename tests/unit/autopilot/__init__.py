"""Tests of otel_fe.autopilot."""
