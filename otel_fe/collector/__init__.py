"""OTLP in."""
