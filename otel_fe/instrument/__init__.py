"""Turns calls of feature extraction functions into spans, and connects the SDK to the pipeline."""
