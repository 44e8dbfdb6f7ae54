"""Stacks of slow extractions as profiles."""
