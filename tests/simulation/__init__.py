"""Weeks of traffic in seconds: alerts on a fake clock."""
