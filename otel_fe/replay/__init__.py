"""Recorded traffic through a policy, before it is deployed: what would be kept, and what changes."""
