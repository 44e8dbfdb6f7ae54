"""Inside a Ray cluster: contexts, the requests of Ray Serve, and the figures that both sides know."""
