"""Plans of slow statements."""
