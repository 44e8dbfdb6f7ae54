"""Against a real Ray cluster: Serve, handle calls, tasks, and Ray's own metrics."""
