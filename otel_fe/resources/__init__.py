"""Caches and connection pools: what they say of themselves, what they cost, and what to change about them."""
