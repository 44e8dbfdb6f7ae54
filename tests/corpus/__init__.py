"""Traces and settings that go through the original, the OpenTelemetry Collector, and through us; every edge has a name."""
