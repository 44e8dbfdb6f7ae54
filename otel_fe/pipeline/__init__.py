"""The pipeline, from spans and measurements to metrics and decisions: pure, without I/O or threads."""
