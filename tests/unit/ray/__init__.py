"""The parts of the integration with Ray that need no Ray."""
