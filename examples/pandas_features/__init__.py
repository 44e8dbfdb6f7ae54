"""A pandas pipeline of plain functions, instrumented by name."""
