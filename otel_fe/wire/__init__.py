"""OTLP as bytes: fields of a span are read in place, and a kept span leaves byte for byte as it arrived."""
