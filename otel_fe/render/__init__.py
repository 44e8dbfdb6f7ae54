"""Renders other systems' configuration from our settings: pure functions that return text."""
