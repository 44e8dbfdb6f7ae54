"""Settings, from the environment into frozen values."""
