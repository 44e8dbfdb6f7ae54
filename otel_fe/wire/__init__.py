"""OTLP as bytes: what a span is asked is read from where it stands, and a span that is kept leaves as it came."""
